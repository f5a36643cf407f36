using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname: look at the form and the DNS of the HELO or EHLO name; refuse, or put off, by
/// unknown_helo_hostname_tempfail_action, what the DNS can't say.
/// </summary>
internal static class HeloRestrictions
{
    public static ValueTask<Verdict> Invalid(RestrictionContext context, Subject subject)
    {
        if (context.Helo is not { } helo)
        {
            return new(Verdict.Dunno);
        }
        if (helo.StartsWith('['))
        {
            return new(Literal(context, helo));
        }
        var name = HostName.WithoutFinalDot(helo);
        return new(HostName.IsValid(name) || IsAddress(name)
            ? Verdict.Dunno
            : context.Reject(context.Settings.InvalidHostnameCode, "5.5.2", $"<{helo}>: {Subject.HeloCommand} rejected: Invalid name"));
    }

    public static ValueTask<Verdict> NonFqdn(RestrictionContext context, Subject subject)
    {
        if (context.Helo is not { } helo)
        {
            return new(Verdict.Dunno);
        }
        if (helo.StartsWith('['))
        {
            return new(Literal(context, helo));
        }
        return new(HostName.IsFullyQualified(helo)
            ? Verdict.Dunno
            : context.Reject(context.Settings.NonFqdnCode, "5.5.2", $"<{helo}>: {Subject.HeloCommand} rejected: need fully-qualified hostname"));
    }

    public static async ValueTask<Verdict> Unknown(RestrictionContext context, Subject subject)
    {
        if (context.Helo is not { } helo)
        {
            return Verdict.Dunno;
        }
        if (helo.StartsWith('['))
        {
            return Literal(context, helo);
        }
        var status = await AskAsync(context, helo).ConfigureAwait(false);
        var text = $"<{helo}>: {Subject.HeloCommand} rejected: Host not found";
        return status switch
        {
            DnsStatus.Ok => Verdict.Dunno,
            DnsStatus.Filtered => MailDomain.Hidden(context, helo, "address or MX"),
            DnsStatus.TryAgain => context.DeferLater(context.Settings.UnknownHeloDefersIfPermit, 450, "4.7.1", text),
            _ => context.Reject(context.Settings.UnknownHostnameCode, "4.7.1", text),
        };
    }

    // Of numbers only those that make an address: "1.2.3" and "0x7f.1" are forms of inet_aton(3) alone.
    private static bool IsAddress(ReadOnlySpan<char> name) =>
        HostName.IsIPv4(name) || (name.Contains(':') && !name.Contains('%') && System.Net.IPAddress.TryParse(name, out _));

    private static async ValueTask<DnsStatus> AskAsync(RestrictionContext context, string helo)
    {
        var name = HostName.WithoutFinalDot(helo).ToString();
        if (HostName.ToAscii(name, context.Settings.Idna2003) is not { } ascii || !HostName.IsValid(ascii))
        {
            return DnsStatus.NameError;
        }
        var addresses = await MailDomain.AddressesAsync(context, ascii).ConfigureAwait(false);
        return addresses == DnsStatus.Ok ? addresses : MailDomain.Of((await context.Dns.MxAsync(ascii, context.Cancel).ConfigureAwait(false)).Status, addresses);
    }

    private static Verdict Literal(RestrictionContext context, string helo) =>
        HostName.ParseLiteral(helo) is not null
            ? Verdict.Dunno
            : context.Reject(context.Settings.InvalidHostnameCode, "5.5.2", $"<{helo}>: {Subject.HeloCommand} rejected: invalid ip address");
}
