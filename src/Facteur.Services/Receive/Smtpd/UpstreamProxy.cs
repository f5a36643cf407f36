using System.Buffers;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>smtpd_upstream_proxy_protocol = haproxy: before the session a proxy says who the client is.</summary>
internal static class UpstreamProxy
{
    /// <summary>Reads the proxy's header.</summary>
    /// <returns>The header, and null; or what the proxy is told when there is none.</returns>
    public static async ValueTask<(HaproxyHeader Header, string? Refusal)> ReadAsync(SmtpdChannel channel, SmtpdSettings settings, SmtpdLog log)
    {
        channel.BeginRequest(settings.UpstreamProxyTimeout);
        byte[] bytes = [];
        while (true)
        {
            var outcome = await channel.ReadAsync().ConfigureAwait(false);
            if (outcome == ReadOutcome.Stopped)
            {
                return (default, SmtpdReplies.ShuttingDown(settings.Myhostname));
            }
            if (outcome == ReadOutcome.TimedOut || (outcome == ReadOutcome.Lost && bytes.Length == 0))
            {
                log.NoProxyHeader(outcome == ReadOutcome.TimedOut ? "timeout error" : "EOF");
                return (default, SmtpdReplies.LocalError(settings.Myhostname));
            }
            bytes = outcome == ReadOutcome.Data ? channel.Buffer.Slice(0, Math.Min(channel.Buffer.Length, HaproxyHeader.MaxLength)).ToArray() : bytes;
            // Postfix: a header that comes in pieces is bad; here it may take its time.
            var header = HaproxyHeader.Parse(bytes, outcome == ReadOutcome.Lost, settings.UseIpv4, settings.UseIpv6);
            if (header.Status == HaproxyStatus.Bad)
            {
                log.BadProxyHeader(header.Wrong, bytes);
                return (default, SmtpdReplies.LocalError(settings.Myhostname));
            }
            if (header.Status == HaproxyStatus.Ok)
            {
                channel.Advance(channel.Buffer.GetPosition(header.Length));
                channel.BeginRequest();
                return (header, null);
            }
            channel.Advance(channel.Buffer.Start, channel.Buffer.End);
        }
    }
}
