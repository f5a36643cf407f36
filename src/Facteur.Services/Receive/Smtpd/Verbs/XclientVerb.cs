using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>XCLIENT: a proxy or a test says who the client is, and the session begins anew with that client (smtpd_authorized_xclient_hosts).</summary>
internal static class XclientVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count < 2)
        {
            return await session.RefuseAsync(ClientAttributes.Syntax("XCLIENT")).ConfigureAwait(false);
        }
        if (!session.MayXclient)
        {
            return await session.RefuseAsync(SmtpdReplies.NotAuthorized).ConfigureAwait(false);
        }
        var said = new Said(session.Client);
        foreach (var (name, value, error) in ClientAttributes.Of(session.Line))
        {
            if ((error ?? Take(said, name, value, session.Settings)) is { } refusal)
            {
                return await session.RefuseAsync(refusal).ConfigureAwait(false);
            }
        }
        await session.RestartAsync(said.Facts(session.Settings.PortLogging), said.Helo, said.Protocol ?? "SMTP", said.Login).ConfigureAwait(false);
        // Postfix: the session that asked does not go on, and so has not had this command accepted.
        return true;
    }

    private static string? Take(Said said, string name, string value, SmtpdSettings settings)
    {
        // Postfix: a name that is none is shown as it was given.
        var attribute = name.ToUpperInvariant();
        var available = ClientAttributes.Availability(value);
        // Postfix: only of a host name can it be that its lookup failed for now.
        var isKnown = attribute is "NAME" or "REVERSE_NAME" ? available == NameStatus.Ok : ClientAttributes.IsKnown(value);
        switch (attribute)
        {
            case "NAME" or "REVERSE_NAME":
                if (isKnown && !HostName.IsValid(value))
                {
                    return ClientAttributes.BadValue(attribute, value);
                }
                value = isKnown ? value : ClientFacts.Unknown;
                said.Client = attribute == "NAME" ? said.Client with { Name = value, NameStatus = available, ForwardStatus = available } : said.Client;
                // Postfix: a name is that of the reverse lookup too; that there is none says nothing of that one.
                said.Reverse = attribute != "NAME" ? (value, available) : isKnown ? said.Reverse ?? (value, available) : said.Reverse;
                return null;
            case "ADDR":
                var address = isKnown ? ClientAttributes.Address(value, settings.UseIpv4, settings.UseIpv6) : null;
                said.Client = said.Client with { Ip = address, Address = address?.ToString() ?? ClientFacts.Unknown };
                return isKnown && address is null ? ClientAttributes.BadValue(attribute, value) : null;
            case "PORT":
                var port = isKnown ? ClientAttributes.Port(value) : 0;
                said.Client = said.Client with { Port = port ?? 0 };
                return port is null ? ClientAttributes.BadValue(attribute, value) : null;
            case "HELO":
                said.Helo = isKnown ? Greeting.Neuter(value) : null;
                return null;
            case "PROTO":
                said.Protocol = value.ToUpperInvariant();
                return said.Protocol is "SMTP" or "ESMTP" ? null : ClientAttributes.BadValue(attribute, value);
            case "LOGIN":
                said.Login = isKnown ? value : "";
                return null;
            case "DESTADDR":
                var server = isKnown ? ClientAttributes.Address(value, settings.UseIpv4, settings.UseIpv6) : null;
                said.Client = said.Client with { ServerAddress = server?.ToString() ?? ClientFacts.Unknown };
                return isKnown && server is null ? ClientAttributes.BadValue(attribute, value) : null;
            case "DESTPORT":
                said.Client = said.Client with { ServerPort = isKnown ? value : ClientFacts.Unknown };
                return isKnown && ClientAttributes.Port(value) is null ? ClientAttributes.BadValue(attribute, value) : null;
            default:
                return ClientAttributes.BadName("XCLIENT", name);
        }
    }

    /// <summary>What one command said.</summary>
    private sealed class Said(ClientFacts client)
    {
        public ClientFacts Client { get; set; } = client;

        public (string Name, NameStatus Status)? Reverse { get; set; }

        public string? Helo { get; set; }

        public string? Protocol { get; set; }

        public string Login { get; set; } = "";

        public ClientFacts Facts(bool withPort) => Client with
        {
            ReverseName = Reverse?.Name ?? Client.ReverseName,
            ReverseStatus = Reverse?.Status ?? Client.ReverseStatus,
            Printable = withPort ? $"{Client.Name}[{Client.Address}]:{Client.Port}" : $"{Client.Name}[{Client.Address}]",
        };
    }
}
