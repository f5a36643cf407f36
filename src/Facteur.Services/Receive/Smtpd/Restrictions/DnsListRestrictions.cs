using System.Globalization;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// reject_rbl_client, reject_rhsbl_*: look at a DNS list, refuse with maps_rbl_reject_code and the text of rbl_reply_maps or default_rbl_reply; a list that
/// does not answer says nothing. permit_dnswl_client, permit_rhswl_client: permit what a list names, but never relaying; a list that does not
/// answer turns a later refusal into a deferral.
/// </summary>
internal static class DnsListRestrictions
{
    /// <summary>The restrictions by name.</summary>
    public static readonly Dictionary<string, Func<DnsList, Func<RestrictionContext, Subject, ValueTask<Verdict>>>> All = new(StringComparer.OrdinalIgnoreCase)
    {
        ["reject_rbl_client"] = list => (context, _) => ClientAsync(list, context),
        ["reject_rhsbl_client"] = list => (context, _) => NameAsync(list, context, Known(context.Client.Name), new Subject(context.Client.Name, Subject.ClientHost)),
        ["reject_rhsbl_reverse_client"] = list => (context, _) => NameAsync(list, context, Known(context.Client.ReverseName), new Subject(context.Client.ReverseName, Subject.UnverifiedClientHost)),
        ["reject_rhsbl_helo"] = list => (context, _) => NameAsync(list, context, context.Helo, new Subject(context.Helo ?? "", Subject.HeloCommand)),
        ["reject_rhsbl_sender"] = list => (context, _) => NameAsync(list, context, Domain(context.Sender), Subject.OfSender(context.Sender ?? "")),
        ["reject_rhsbl_recipient"] = list => (context, _) => NameAsync(list, context, Domain(context.Recipient), Subject.OfRecipient(context.Recipient ?? "")),
        ["permit_dnswl_client"] = list => (context, _) => PermitAsync(list, context, Address(context), "permit_dnswl_client", context.Client.Address),
        ["permit_rhswl_client"] = list => (context, _) => PermitAsync(list, context, Ascii(context, Known(context.Client.Name)), "permit_rhswl_client", context.Client.Name),
    };

    private static async ValueTask<Verdict> ClientAsync(DnsList list, RestrictionContext context)
    {
        if (Address(context) is not { } name)
        {
            return Verdict.Dunno;
        }
        var (status, reason) = await list.AskAsync(context, name).ConfigureAwait(false);
        return status == DnsListStatus.Listed
            ? await RefuseAsync(list, context, new Subject(context.Client.Address, Subject.ClientHost), reason).ConfigureAwait(false)
            : Verdict.Dunno;
    }

    private static async ValueTask<Verdict> NameAsync(DnsList list, RestrictionContext context, string? name, Subject subject)
    {
        // Numbers and literals are no domains: some lists name all of them.
        if (Ascii(context, name) is not { } ascii)
        {
            return Verdict.Dunno;
        }
        var (status, reason) = await list.AskAsync(context, ascii).ConfigureAwait(false);
        return status == DnsListStatus.Listed ? await RefuseAsync(list, context, subject, reason).ConfigureAwait(false) : Verdict.Dunno;
    }

    private static async ValueTask<Verdict> PermitAsync(DnsList list, RestrictionContext context, string? name, string action, string shown)
    {
        if (name is null)
        {
            return Verdict.Dunno;
        }
        // Postfix: it never overrides reject_unauth_destination.
        if (context is { Where: "RCPT", Recipient: { } recipient } && await DestinationRestrictions.IsOursAsync(context, recipient).ConfigureAwait(false) != Verdict.Ok)
        {
            return Verdict.Dunno;
        }
        var (status, _) = await list.AskAsync(context, name).ConfigureAwait(false);
        if (status == DnsListStatus.Failed)
        {
            context.DeferIfReject ??= new Deferral(450, "4.7.1", $"<{shown}>: {Subject.ClientHost} rejected: Service unavailable");
        }
        return status == DnsListStatus.Listed ? await context.PermitAsync(action, new Subject(context.Client.Printable, Subject.ClientHost)).ConfigureAwait(false) : Verdict.Dunno;
    }

    private static async ValueTask<Verdict> RefuseAsync(DnsList list, RestrictionContext context, Subject subject, string reason)
    {
        var settings = context.Settings;
        var template = settings.DefaultRblReply;
        if (!settings.RblReplyMaps.IsEmpty)
        {
            var lookup = await settings.RblReplyMaps.FindAsync(list.Text, false, context.Cancel).ConfigureAwait(false);
            if (lookup.Status == LookupStatus.Error)
            {
                return context.TemporaryLookupFailure(list.Text);
            }
            template = lookup.Status == LookupStatus.Found ? lookup.Value : template;
        }
        string? ValueOf(string name) => name switch
        {
            "rbl_code" => settings.RblCode.ToString(CultureInfo.InvariantCulture),
            "rbl_class" => subject.Class,
            "rbl_what" => subject.Name.Length > 0 ? subject.Name : "<>",
            "rbl_domain" => list.Domain,
            "rbl_reason" or "rbl_txt" => reason,
            _ => null,
        };
        var text = settings.Macros.Expand(template, context, ValueOf, $"bad RBL reply template for {list.Text}")
            ?? settings.Macros.Expand(Config.Parameters.UceParameters.DefaultRblReply.Default, context, ValueOf, "default RBL reply")!;
        return context.Reject(Code(text, settings.RblCode, out var rest), Status(context, rest, subject, out rest), rest);
    }

    private static int Code(string text, int otherwise, out string rest)
    {
        var has = text is ['4' or '5', >= '0' and <= '9', >= '0' and <= '9', ' ', ..];
        rest = has ? text[4..].TrimStart() : text;
        return has ? int.Parse(text.AsSpan(0, 3), NumberStyles.None, CultureInfo.InvariantCulture) : otherwise;
    }

    private static string Status(RestrictionContext context, string text, Subject subject, out string rest)
    {
        var has = EnhancedStatus.TryParsePrefix(text, out var status, out var length);
        rest = has ? text[length..].TrimStart() : text;
        return has ? DsnClasses.Fix(context.Log, status.ToString(), subject.Class) : "4.7.1";
    }

    private static string? Address(RestrictionContext context) => context.Client.Ip is { } address ? DnsList.Reversed(address) : null;

    private static string? Known(string name) => name == ClientFacts.Unknown ? null : name;

    private static string? Domain(string? address) => address is { Length: > 0 } ? AddressParts.Domain(address).ToString() : null;

    private static string? Ascii(RestrictionContext context, string? name) =>
        name is { Length: > 0 } && HostName.ToAscii(HostName.WithoutFinalDot(name).ToString(), context.Settings.Idna2003) is { } ascii && HostName.IsValid(ascii) ? ascii : null;
}
