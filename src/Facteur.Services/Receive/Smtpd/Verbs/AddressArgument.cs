using Facteur.Contracts;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>The address of MAIL, RCPT and VRFY.</summary>
internal static class AddressArgument
{
    /// <summary>The address in external form, or null when it is none; that is logged.</summary>
    public static async ValueTask<string?> TakeAsync(SmtpdSession session, CommandToken token, string command, bool allowEmpty, bool smtputf8)
    {
        if (token.Kind == TokenKind.Error)
        {
            return null;
        }
        if (SmtpPath.TryParse(token.Text, session.Settings.StrictEnvelopes && command != "VRFY", out var address) && (allowEmpty || address.Length > 0)
            && (smtputf8 || IsAsciiDomain(address)) && (address.Length == 0 || await IsRoutableAsync(session, address, command == "MAIL").ConfigureAwait(false)))
        {
            return address;
        }
        session.Log.IllegalAddress(session.Client, command, token.Text);
        return null;
    }

    /// <summary>strict_smtputf8: text above ASCII must be announced.</summary>
    /// <param name="session">The session.</param>
    /// <param name="address">The address.</param>
    /// <param name="smtputf8">It was announced.</param>
    /// <param name="whose">"sender" or "recipient".</param>
    public static bool NeedsSmtputf8(SmtpdSession session, string address, bool smtputf8, string whose)
    {
        if (smtputf8 || !address.AsSpan().ContainsAnyExceptInRange('\0', '\x7f'))
        {
            return false;
        }
        if (session.Settings is { Smtputf8: true, StrictSmtputf8: true })
        {
            return true;
        }
        if (session.Settings.Backwards.Smtputf8)
        {
            session.Log.ByBackwardsDefault("smtputf8_enable=no", $"accept non-ASCII {whose} address \"{Mail.Addresses.AddressParts.Unquote(address)}\" from {session.Client.Printable}");
        }
        return false;
    }

    // Postfix: a domain above ASCII is one for SMTPUTF8 alone (RFC 6531 3.2); local parts are let pass.
    private static bool IsAsciiDomain(string address) => !Mail.Addresses.AddressParts.Domain(address).ContainsAnyExceptInRange('\0', '\x7f');

    // Postfix: what the resolver calls invalid is a syntax error; when it can't answer now, the restrictions defer. Stand-alone there is no resolver.
    private static async ValueTask<bool> IsRoutableAsync(SmtpdSession session, string address, bool isSender) =>
        session.Service.IsStandAlone || ((await session.Context.ResolveAsync(address, isSender).ConfigureAwait(false)).Flags & (ResolveFlags.Error | ResolveFlags.Fail)) != ResolveFlags.Error;
}
