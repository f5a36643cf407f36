namespace Facteur.Services.Receive.Smtpd;

/// <summary>The Received: header that smtpd puts in front of a message (RFC 5321 4.4), in Postfix's words and line breaks.</summary>
internal static class ReceivedHeader
{
    /// <summary>The header with its line ends. The recipient is named only when there is exactly one: others need not know of it.</summary>
    public static string Make(SmtpdSettings settings, ClientFacts client, string? helo, string protocol, string queueId, string? onlyRecipient, string date)
    {
        // Postfix: smtpd_client_port_logging is for the log; no port stands here.
        var from = $"Received: from {helo ?? client.Name} ({client.Name} [{client.Rfc5321Address}])";
        // What a filter takes has no id here.
        var id = queueId.Length > 0 ? " id " + queueId : "";
        var by = $"\tby {settings.Myhostname} ({settings.MailName}) with {protocol}{id}";
        if (settings.HidesSession)
        {
            (from, by) = ("Received:", $" by {settings.Myhostname} ({settings.MailName}){id}");
            return onlyRecipient is null ? $"{from}{by};\n\t{date}\n" : $"{from}{by}\n\tfor <{onlyRecipient}>; {date}\n";
        }
        return onlyRecipient is null ? $"{from}\n{by};\n\t{date}\n" : $"{from}\n{by}\n\tfor <{onlyRecipient}>; {date}\n";
    }
}
