using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// local_header_rewrite_clients: whose mail is completed as local mail. Written as a list of restrictions, but none: it knows a few names, nothing of it is logged as
/// permitted, and the only refusal is for a table that can't answer.
/// </summary>
internal static class LocalRewriteClients
{
    private static readonly Dictionary<string, Func<RestrictionContext, ValueTask<LookupStatus>>> Named = new(StringComparer.OrdinalIgnoreCase)
    {
        ["permit_inet_interfaces"] = context => new(Is(ClientRestrictions.IsThisHost(context))),
        ["permit_mynetworks"] = async context => context.Client.Ip is { } address
            ? await context.Settings.Mynetworks.MatchAsync(address, context.Client.Name, context.Cancel).ConfigureAwait(false) : LookupStatus.NotFound,
        ["permit_sasl_authenticated"] = context => new(Is(context.Settings.Logins && LoginRestrictions.IsNamed(context))),
        // No session has TLS or a certificate yet: these find nothing.
        ["permit_tls_clientcerts"] = _ => new(LookupStatus.NotFound),
        ["permit_tls_all_clientcerts"] = _ => new(LookupStatus.NotFound),
    };

    /// <summary>Makes the list.</summary>
    public static RestrictionList Parse(string value, ITableSet tables)
    {
        const string byAddress = "check_address_map";
        var parameter = SmtpdParameters.LocalHeaderRewriteClients.Name;
        var items = new List<Restriction>();
        var names = ListSyntax.Split(value);
        for (var at = 0; at < names.Count; at++)
        {
            var name = names[at];
            if (name.Equals(byAddress, StringComparison.OrdinalIgnoreCase))
            {
                name = at + 1 < names.Count ? names[++at] : "";
                if (!name.Contains(':'))
                {
                    items.Add(BasicRestrictions.Broken(byAddress, $"restriction {byAddress}: bad argument \"{name}\": need maptype:mapname"));
                    continue;
                }
            }
            items.Add(name.Contains(':') ? Item(byAddress, Table(Maps.Open(tables, byAddress, name), name)) with { Argument = name }
                : Named.TryGetValue(name, out var known) ? Item(name, known)
                : new Restriction(name, (context, _) =>
                {
                    context.Log.Warning($"parameter {parameter}: invalid request: {name}");
                    return new(Verdict.Dunno);
                })
                {
                    Ignored = [$"invalid request: {name}"],
                });
        }
        return items.Count == 0 ? RestrictionList.Empty : new RestrictionList([.. items], parameter);
    }

    /// <summary>Asks one after the other until one says yes, or can't answer.</summary>
    public static async ValueTask<Verdict> CheckAsync(RestrictionList list, RestrictionContext context)
    {
        if (list.IsEmpty)
        {
            return Verdict.Dunno;
        }
        var verdict = Verdict.Dunno;
        context.Arrows.Explanation?.Begin(list.Name);
        foreach (var item in list.Items)
        {
            verdict = await RestrictionList.ExplainAsync(context, item, default).ConfigureAwait(false);
            if (verdict != Verdict.Dunno)
            {
                break;
            }
        }
        context.Arrows.Explanation?.End();
        return verdict;
    }

    private static LookupStatus Is(bool found) => found ? LookupStatus.Found : LookupStatus.NotFound;

    private static Func<RestrictionContext, ValueTask<LookupStatus>> Table(Maps maps, string name) => async context =>
    {
        var status = (await maps.FindAsync(context.Client.Address, false, context.Cancel).ConfigureAwait(false)).Status;
        if (status == LookupStatus.Error)
        {
            context.Log.LookupError(name, context.Client.Address);
        }
        return status;
    };

    private static Restriction Item(string name, Func<RestrictionContext, ValueTask<LookupStatus>> lookUp) => new(name, async (context, _) =>
        await lookUp(context).ConfigureAwait(false) switch
        {
            LookupStatus.Found => Verdict.Ok,
            LookupStatus.Error => context.TemporaryLookupError(),
            _ => Verdict.Dunno,
        });
}
