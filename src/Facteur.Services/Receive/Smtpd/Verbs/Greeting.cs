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
        var name = session.Tokens.Count == 2 ? session.Tokens[1].Text : string.Join(' ', session.Tokens.Skip(1).Select(token => token.Text));
        var context = session.Context;
        await session.ResetAsync().ConfigureAwait(false);
        context.Helo = Neuter(SmtpdLog.Printable(name));
        context.HeloDoubt = null;
        session.State = SmtpdState.Greeted;
        if (!session.Settings.DelayReject && await session.Stages.HeloAsync(context).ConfigureAwait(false) == Verdict.Reject)
        {
            context.Helo = null;
            session.State = SmtpdState.Connected;
            return await session.RefuseAsync(context.Reply).ConfigureAwait(false);
        }
        return true;
    }

    /// <summary>A name without characters that could forge a header or a log line.</summary>
    public static string Neuter(string name) =>
        name.AsSpan().ContainsAny(Forging) ? string.Create(name.Length, name, static (span, source) => source.AsSpan().ReplaceAny(span, Forging, '?')) : name;
}
