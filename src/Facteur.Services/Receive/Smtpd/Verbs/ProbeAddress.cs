using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>
/// The sender of our own probes (address_verify_sender). Postfix: it is the same address whatever number stands in it now, and nobody may refuse it: a peer that
/// asks whether it exists while we ask about the peer's would have both remember that neither does.
/// </summary>
internal static class ProbeAddress
{
    /// <summary>The sender of probes without its number; null for any other address.</summary>
    public static async ValueTask<string?> OfAsync(SmtpdSession session, string address)
    {
        var (settings, configured) = (session.Settings, session.Settings.ProbeSender);
        // Most addresses are not even like it: they cost no question.
        var end = configured.AsSpan().IndexOfAny("@%!");
        var start = end < 0 ? configured : configured[end] == '!' ? "" : configured[..end];
        if (session.Service.IsStandAlone || address.Length == 0 || !address.StartsWith(start, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }
        var complete = await session.Arrows.Rewrite.RewriteAsync(true, configured, session.Cancel).ConfigureAwait(false);
        return complete is not null && ProbeSender.IsValid(address, complete, settings.ProbeSenderTtl, session.Service.Time.GetUtcNow().ToUnixTimeSeconds()) ? complete : null;
    }
}
