using System.Globalization;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>XFORWARD: a filter says from whom it has the next message, for logs and for who comes after (smtpd_authorized_xforward_hosts). Access stays the filter's.</summary>
internal static class XforwardVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count < 2)
        {
            return await session.RefuseAsync(ClientAttributes.Syntax("XFORWARD")).ConfigureAwait(false);
        }
        if (!session.MayXforward)
        {
            return await session.RefuseAsync(SmtpdReplies.NotAuthorized).ConfigureAwait(false);
        }
        foreach (var (name, value, error) in ClientAttributes.Of(session.Line))
        {
            if ((error ?? Take(session, name, value)) is { } refusal)
            {
                return await session.RefuseAsync(refusal).ConfigureAwait(false);
            }
        }
        return await session.AcceptAsync(SmtpdReplies.Ok).ConfigureAwait(false);
    }

    private static string? Take(SmtpdSession session, string name, string value)
    {
        var isKnown = ClientAttributes.IsKnown(value);
        var settings = session.Settings;
        (string? Attribute, string? Value) taken = name.ToUpperInvariant() switch
        {
            "NAME" => (MessageAttributes.LogClientName, HostName.IsValid(Greeting.Neuter(value)) ? value : null),
            "ADDR" => (MessageAttributes.LogClientAddress, ClientAttributes.Address(value, settings.UseIpv4, settings.UseIpv6)?.ToString()),
            "PORT" => (MessageAttributes.LogClientPort, ClientAttributes.Port(value)?.ToString(CultureInfo.InvariantCulture)),
            "HELO" => (MessageAttributes.LogHeloName, Greeting.Neuter(value)),
            "PROTO" => (MessageAttributes.LogProtocolName, value.Length <= 64 ? Greeting.Neuter(value) : null),
            "IDENT" => (MessageAttributes.LogIdent, Greeting.Neuter(value)),
            "SOURCE" => (null, value.ToUpperInvariant() is "LOCAL" or "REMOTE" ? value : null),
            _ => ("", null),
        };
        if (taken.Attribute == "")
        {
            return ClientAttributes.BadName("XFORWARD", name);
        }
        if (isKnown && taken.Value is null)
        {
            return ClientAttributes.BadValue(name.ToUpperInvariant(), value);
        }
        if (taken.Attribute is { } attribute)
        {
            session.Forwarded = session.Forwarded.With(attribute, isKnown ? taken.Value! : ClientFacts.Unknown);
        }
        else
        {
            // Postfix: what is not said to be remote is local.
            session.ForwardedIsLocal = !value.Equals("REMOTE", StringComparison.OrdinalIgnoreCase);
        }
        return null;
    }
}
