using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit_mynetworks, permit_inet_interfaces, reject_unknown_*client_hostname: look at the client's address and names; permit what is ours, refuse who has no
/// name, or put off while the DNS can't say.
/// </summary>
internal static class ClientRestrictions
{
    public static async ValueTask<Verdict> PermitMynetworks(RestrictionContext context, Subject subject)
    {
        if (context.Client.Ip is not { } address)
        {
            return Verdict.Dunno;
        }
        var status = await context.Settings.Mynetworks.MatchAsync(address, context.Client.Name, context.Cancel).ConfigureAwait(false);
        if (status == LookupStatus.Found && context.Settings.Backwards.NewNetworks is { } networks
            && await networks.MatchAsync(address, context.Client.Name, context.Cancel).ConfigureAwait(false) != LookupStatus.Found)
        {
            context.Log.ByBackwardsDefault($"mynetworks_style={context.Settings.Backwards.NetworksStyle}", $"permit request from client \"{context.Client.Printable}\"");
        }
        return status switch
        {
            LookupStatus.Found => await context.PermitAsync("permit_mynetworks", new Subject(context.Client.Printable, Subject.ClientHost)).ConfigureAwait(false),
            LookupStatus.Error => context.TemporaryLookupFailure(subject.Name),
            _ => Verdict.Dunno,
        };
    }

    public static ValueTask<Verdict> PermitInetInterfaces(RestrictionContext context, Subject subject) =>
        IsThisHost(context) ? context.PermitAsync("permit_inet_interfaces", new Subject(context.Client.Printable, Subject.ClientHost)) : new(Verdict.Dunno);

    /// <summary>Postfix: by the connection, and here also by what XCLIENT says, which must not make a stranger of a proxy on this host one of us.</summary>
    public static bool IsThisHost(RestrictionContext context) =>
        context.Client is { Ip: { } address, Peer: { } peer } && context.Settings.OwnAddresses.Contains(peer) && context.Settings.OwnAddresses.Contains(address);

    public static ValueTask<Verdict> UnknownClientHostname(RestrictionContext context, Subject subject) =>
        new(context.Client.NameStatus == NameStatus.Ok ? Verdict.Dunno : Refuse(context, context.Client.NameStatus, "4.7.25", "hostname"));

    public static ValueTask<Verdict> UnknownReverseClientHostname(RestrictionContext context, Subject subject) =>
        new(context.Client.ReverseStatus == NameStatus.Ok ? Verdict.Dunno : Refuse(context, context.Client.ReverseStatus, "4.7.1", "reverse hostname"));

    public static ValueTask<Verdict> UnknownForwardClientHostname(RestrictionContext context, Subject subject) =>
        new(context.Client.ForwardStatus == NameStatus.Ok ? Verdict.Dunno : Refuse(context, context.Client.ForwardStatus, "4.7.25", "forward hostname"));

    private static Verdict Refuse(RestrictionContext context, NameStatus status, string dsn, string what)
    {
        context.Arrows.Explanation?.ByNames();
        return context.Reject(
            status == NameStatus.TryAgain ? 450 : context.Settings.UnknownClientCode, dsn, $"Client host rejected: cannot find your {what}, [{context.Client.Address}]");
    }
}
