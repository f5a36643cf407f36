using System.Buffers;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>What HELO and EHLO share: the message in work is forgotten, the name is taken (RFC 5321 4.1.4).</summary>
internal static class Greeting
{
    // Postfix: NEUTER_CHARACTERS. The name stands bare in Received: headers and between "<" and ">" in the log: it must not be able to end either.
    private static readonly SearchValues<char> Forging = SearchValues.Create(" <>()\\\";@");

    public static async ValueTask<bool> TakeAsync(SmtpdSession session)
    {
        // Not of the tokens: a colon ends those, and addresses have some.
        var name = string.Join(' ', session.Line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Skip(1));
        var context = session.Context;
        var (earlier, doubt) = (context.Helo, context.HeloDoubt);
        (context.Helo, context.HeloDoubt) = (Neuter(SmtpdLog.Printable(name)), null);
        if (!session.Settings.DelayReject && await session.Stages.HeloAsync(context).ConfigureAwait(false) == Verdict.Reject)
        {
            // Postfix: a refused greeting changes nothing, not even the message in work.
            (context.Helo, context.HeloDoubt) = (earlier, doubt);
            return await session.RefuseAsync(context.Reply).ConfigureAwait(false);
        }
        await session.FlushTranscriptAsync().ConfigureAwait(false);
        await session.ResetAsync().ConfigureAwait(false);
        session.State = SmtpdState.Greeted;
        return true;
    }

    /// <summary>A name without characters that could forge a header or a log line.</summary>
    public static string Neuter(string name) =>
        name.AsSpan().ContainsAny(Forging) ? string.Create(name.Length, name, static (span, source) => source.AsSpan().ReplaceAny(span, Forging, '?')) : name;
}
