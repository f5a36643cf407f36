using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>ETRN (RFC 1985).</summary>
internal static class EtrnVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.State == SmtpdState.Connected && session.Settings.HeloRequired)
        {
            return await session.RefuseAsync(SmtpdReplies.EtrnNeedsHelo).ConfigureAwait(false);
        }
        if (session.Tokens.Count != 2)
        {
            return await session.RefuseAsync(SmtpdReplies.EtrnSyntax).ConfigureAwait(false);
        }
        // RFC 1985 5: "@domain" asks for subdomains too, "#queue" for a queue; neither is needed here.
        var domain = session.Tokens[1].Text.TrimStart('@', '#');
        if (HostName.ParseLiteral(domain) is null && (HostName.ToAscii(domain, session.Settings.Idna2003) is not { } ascii || !HostName.IsValid(ascii)))
        {
            return await session.RefuseAsync(SmtpdReplies.BadEtrnParameter).ConfigureAwait(false);
        }
        if (session.Service.IsStandAlone)
        {
            // Postfix: before any other question.
            session.Log.Warning("do not use ETRN in \"sendmail -bs\" mode");
            return await session.RefuseAsync(SmtpdReplies.CannotQueue).ConfigureAwait(false);
        }
        var context = session.Context;
        context.EtrnDomain = domain;
        var verdict = await session.Stages.EtrnAsync(context).ConfigureAwait(false);
        context.EtrnDomain = null;
        return verdict == Verdict.Reject
            ? await session.RefuseAsync(context.Reply).ConfigureAwait(false)
            : await FlushAsync(session, domain).ConfigureAwait(false);
    }

    private static async ValueTask<bool> FlushAsync(SmtpdSession session, string domain)
    {
        var served = await session.Settings.FastFlushDomains.MatchAsync(domain, session.Cancel).ConfigureAwait(false);
        if (served == LookupStatus.NotFound)
        {
            return await NotServedAsync(session, domain).ConfigureAwait(false);
        }
        if (served == LookupStatus.Error || session.Arrows.FlushSite is not { } flush)
        {
            return await session.RefuseAsync(SmtpdReplies.CannotQueue).ConfigureAwait(false);
        }
        if (session.Settings.Backwards.FastFlushDomains)
        {
            session.Log.ByBackwardsDefault("relay_domains=$mydestination", $"flush mail for domain \"{domain}\"");
        }
        try
        {
            await flush(domain, session.Cancel).ConfigureAwait(false);
        }
        catch (ControlException e) when (e.Failure == ControlFailure.NotEligible)
        {
            // Postfix: flush(8) asks its own fast_flush_domains, which -o of smtpd does not change.
            return await NotServedAsync(session, domain).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            session.Log.Warning($"ETRN {domain}: the queue can't be asked: {e.Message}");
            return await session.RefuseAsync(SmtpdReplies.CannotQueue).ConfigureAwait(false);
        }
        return await session.AcceptAsync(SmtpdReplies.QueuingStarted).ConfigureAwait(false);
    }

    private static ValueTask<bool> NotServedAsync(SmtpdSession session, string domain)
    {
        session.Log.EtrnRefused(domain, session.Client);
        return session.RefuseAsync($"459 <{domain}>: service unavailable");
    }
}
