using System.Net;
using Facteur.Contracts;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>What one client may do at a time and per time unit, counted by anvil.</summary>
internal sealed class ConnectionLimits(SmtpdSettings settings, IAnvil anvil, SmtpdLog log, string service)
{
    /// <summary>Whether a client is counted at all.</summary>
    public async ValueTask<bool> AppliesAsync(ClientFacts client, CancellationToken cancel)
    {
        if (client.Ip is null || (settings.ConnectionCountLimit | settings.ConnectionRateLimit | settings.MessageRateLimit | settings.RecipientRateLimit) == 0)
        {
            return false;
        }
        return await settings.EventLimitExceptions.MatchAsync(client.Ip, client.Name, cancel).ConfigureAwait(false) != Tables.LookupStatus.Found;
    }

    /// <summary>Counts a connection; the reply when it is one too many. Every call is followed by <see cref="Leave"/>.</summary>
    public string? Refusal(SmtpdSession session)
    {
        var client = session.Client;
        var (count, rate) = anvil.Connect(Key(client));
        if (settings.ConnectionCountLimit > 0 && count > settings.ConnectionCountLimit)
        {
            log.TooManyConnections(count, client, service);
            return SmtpdReplies.TooManyConnections(settings.Myhostname, client.Address);
        }
        if (settings.ConnectionRateLimit > 0 && rate > settings.ConnectionRateLimit)
        {
            log.ConnectionRate(rate, client, service);
            return SmtpdReplies.TooManyConnections(settings.Myhostname, client.Address);
        }
        return null;
    }

    public void Leave(ClientFacts client) => anvil.Disconnect(Key(client));

    /// <summary>Counts a message; the reply when it is one too many.</summary>
    public string? MailRefusal(SmtpdSession session)
    {
        if (!session.IsLimited || settings.MessageRateLimit == 0 || anvil.Mail(Key(session.Client)) is var rate && rate <= settings.MessageRateLimit)
        {
            return null;
        }
        log.MessageRate(rate, session.Client, service);
        return SmtpdReplies.TooMuchMail(session.Client.Address);
    }

    /// <summary>Counts a recipient; the reply when it is one too many.</summary>
    public string? RecipientRefusal(SmtpdSession session)
    {
        if (!session.IsLimited || settings.RecipientRateLimit == 0 || anvil.Recipient(Key(session.Client)) is var rate && rate <= settings.RecipientRateLimit)
        {
            return null;
        }
        log.RecipientRate(rate, session.Client, service);
        return SmtpdReplies.TooManyRecipientsFrom(session.Client.Address);
    }

    private string Key(ClientFacts client)
    {
        var bytes = client.Ip!.GetAddressBytes();
        var prefix = bytes.Length == 4 ? settings.Ipv4PrefixLength : settings.Ipv6PrefixLength;
        for (var i = 0; i < bytes.Length; i++)
        {
            var bits = Math.Clamp(prefix - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xff00 >> bits);
        }
        return $"{service}:{new IPAddress(bytes)}";
    }
}
