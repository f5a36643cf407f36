using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>Writes commands as bytes. Addresses and texts hold no control characters (the delivery checked them).</summary>
internal static class SmtpCommands
{
    /// <summary>Longest of what stands around addresses and texts.</summary>
    private const int Overhead = 160;

    /// <param name="output">Where to.</param>
    /// <param name="sender">The sender as it is sent.</param>
    /// <param name="envelope">The message.</param>
    /// <param name="offered">What the server offers.</param>
    /// <param name="converts">Content is converted on its way, so that its size is not known.</param>
    internal static void Mail(PipeWriter output, string sender, Envelope envelope, SmtpExtensions offered, bool converts)
    {
        var span = output.GetSpan(Overhead + 3 * (sender.Length + envelope.EnvelopeId.Length));
        var line = new CommandLine(span);
        line.Put("MAIL FROM:<"u8);
        line.Text(sender);
        line.Put(">"u8);
        if ((offered & SmtpExtensions.Size) != 0 && !converts)
        {
            line.Put(" SIZE="u8);
            line.Number(envelope.ContentSize);
        }
        if ((offered & SmtpExtensions.EightBitMime) != 0)
        {
            line.Put(envelope.Body switch { BodyType.EightBitMime => " BODY=8BITMIME"u8, BodyType.SevenBit => " BODY=7BIT"u8, _ => default });
        }
        if ((offered & SmtpExtensions.Dsn) != 0)
        {
            if (envelope.EnvelopeId.Length > 0)
            {
                line.Put(" ENVID="u8);
                line.XText(envelope.EnvelopeId);
            }
            line.Put(envelope.Return switch { DsnReturn.Full => " RET=FULL"u8, DsnReturn.Headers => " RET=HDRS"u8, _ => default });
        }
        if ((offered & SmtpExtensions.SmtpUtf8) != 0 && (envelope.Flags & MessageFlags.SmtpUtf8) != 0)
        {
            line.Put(" SMTPUTF8"u8);
        }
        line.Put("\r\n"u8);
        output.Advance(line.Length);
    }

    internal static void Rcpt(PipeWriter output, EnvelopeRecipient recipient, string address, SmtpExtensions offered, MessageOrigin origin)
    {
        // utf-8-addr-xtext makes up to ten bytes of a character.
        var span = output.GetSpan(Overhead + 3 * recipient.Address.Length + 10 * Original(recipient).Length);
        var line = new CommandLine(span);
        line.Put("RCPT TO:<"u8);
        line.Text(address);
        line.Put(">"u8);
        if ((offered & SmtpExtensions.Dsn) != 0)
        {
            // Postfix: of mail that came by SMTP without ORCPT the type stays rfc822.
            OriginalRecipient(ref line, recipient, (offered & SmtpExtensions.SmtpUtf8) != 0 && origin != MessageOrigin.Smtpd);
            Notify(ref line, recipient.Notify);
        }
        line.Put("\r\n"u8);
        output.Advance(line.Length);
    }

    /// <summary>XFORWARD, in one command or two as Postfix writes them; none when nothing is known that the server wants to know.</summary>
    /// <returns>Commands written, and whether the first is that of name and address.</returns>
    internal static (int Commands, bool Names) Xforward(PipeWriter output, Envelope envelope, string queueId, SmtpExtensions offered)
    {
        var client = envelope.OriginalClient;
        var address = client.Address.Contains(':') ? "IPv6:" + client.Address : client.Address;
        // Postfix: mail that was made here has no name in another's log.
        var ident = envelope.Attributes.Value(MessageAttributes.LogIdent) is { Length: > 0 } said ? said : envelope.Origin == MessageOrigin.Smtpd ? queueId : "";
        var names = Xforward(output, offered, [(SmtpExtensions.XforwardName, " NAME=", client.Name), (SmtpExtensions.XforwardAddress, " ADDR=", address),
                (SmtpExtensions.XforwardPort, " PORT=", client.Port > 0 ? client.Port.ToString(CultureInfo.InvariantCulture) : "")]);
        var others = Xforward(output, offered, [(SmtpExtensions.XforwardProtocol, " PROTO=", client.Protocol), (SmtpExtensions.XforwardHelo, " HELO=", client.Helo),
                (SmtpExtensions.XforwardIdent, " IDENT=", ident), (SmtpExtensions.XforwardSource, " SOURCE=", (envelope.Flags & MessageFlags.RewriteLocal) != 0 ? "LOCAL" : "REMOTE")]);
        return (names + others, names > 0);
    }

    private static int Xforward(PipeWriter output, SmtpExtensions offered, ReadOnlySpan<(SmtpExtensions Wanted, string Label, string Value)> attributes)
    {
        var length = Overhead;
        var known = 0;
        foreach (var (wanted, label, value) in attributes)
        {
            known += Sends(wanted, value) ? 1 : 0;
            length += label.Length + (9 * value.Length);
        }
        if (known == 0)
        {
            return 0;
        }
        var line = new CommandLine(output.GetSpan(length));
        line.Put("XFORWARD"u8);
        foreach (var (wanted, label, value) in attributes)
        {
            if (Sends(wanted, value))
            {
                line.Text(label);
                line.XText(value);
            }
        }
        line.Put("\r\n"u8);
        output.Advance(line.Length);
        return 1;

        // Postfix: what is not known is not said; a client's name, address or port may be known to be unknown.
        bool Sends(SmtpExtensions wanted, string value) => (offered & wanted) != 0 && value.Length > 0 && (wanted == SmtpExtensions.XforwardHelo || value != "unknown");
    }

    private static string Original(EnvelopeRecipient recipient) =>
        recipient.DsnOriginalRecipient.Length > 0 ? recipient.DsnOriginalRecipient
        : recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address;

    private static void OriginalRecipient(ref CommandLine line, EnvelopeRecipient recipient, bool utf8)
    {
        var original = Original(recipient).AsSpan();
        line.Put(" ORCPT="u8);
        var semicolon = recipient.DsnOriginalRecipient.IndexOf(';', StringComparison.Ordinal);
        if (semicolon >= 0)
        {
            line.Text(original[..semicolon]);
            line.Put(";"u8);
            if (original[..semicolon].Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                line.Utf8XText(original[(semicolon + 1)..]);
            }
            else
            {
                line.XText(original[(semicolon + 1)..]);
            }
        }
        else if (utf8 && !Ascii.IsValid(original))
        {
            // RFC 6533 section 3.
            line.Put("utf-8;"u8);
            line.Utf8XText(original);
        }
        else
        {
            line.Put("rfc822;"u8);
            line.XText(original);
        }
    }

    private static void Notify(ref CommandLine line, DsnNotify notify)
    {
        if (notify == DsnNotify.None)
        {
            return;
        }
        line.Put(" NOTIFY="u8);
        if ((notify & DsnNotify.Never) != 0)
        {
            line.Put("NEVER"u8);
            return;
        }
        var separator = ""u8;
        foreach (var (flag, word) in (ReadOnlySpan<(DsnNotify, string)>)[(DsnNotify.Success, "SUCCESS"), (DsnNotify.Failure, "FAILURE"), (DsnNotify.Delay, "DELAY")])
        {
            if ((notify & flag) != 0)
            {
                line.Put(separator);
                line.Text(word);
                separator = ","u8;
            }
        }
    }

    /// <summary>A command being written.</summary>
    private ref struct CommandLine(Span<byte> into)
    {
        private readonly Span<byte> _into = into;

        internal int Length { get; private set; }

        internal void Put(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_into[Length..]);
            Length += bytes.Length;
        }

        internal void Text(ReadOnlySpan<char> text) => Length += Encoding.UTF8.GetBytes(text, _into[Length..]);

        internal void Number(long number)
        {
            number.TryFormat(_into[Length..], out var digits, default, CultureInfo.InvariantCulture);
            Length += digits;
        }

        /// <summary>RFC 3461 section 4: all but printable ASCII, "+" and "=" as +XX.</summary>
        internal void XText(ReadOnlySpan<char> text)
        {
            Span<byte> utf8 = stackalloc byte[4];
            foreach (var rune in text.EnumerateRunes())
            {
                if (rune.Value is > ' ' and < 0x7f and not '+' and not '=')
                {
                    _into[Length++] = (byte)rune.Value;
                    continue;
                }
                foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
                {
                    _into[Length++] = (byte)'+';
                    _into[Length++] = Hex(b >> 4);
                    _into[Length++] = Hex(b & 15);
                }
            }
        }

        /// <summary>RFC 6533 section 3: all but printable ASCII, "+", "=" and "\" as \x{XX}.</summary>
        internal void Utf8XText(ReadOnlySpan<char> text)
        {
            foreach (var rune in text.EnumerateRunes())
            {
                if (rune.Value is > ' ' and < 0x7f and not '+' and not '=' and not '\\')
                {
                    _into[Length++] = (byte)rune.Value;
                    continue;
                }
                Put("\\x{"u8);
                rune.Value.TryFormat(_into[Length..], out var digits, rune.Value < 16 ? "X2" : "X", CultureInfo.InvariantCulture);
                Length += digits;
                _into[Length++] = (byte)'}';
            }
        }

        private static byte Hex(int digit) => (byte)"0123456789ABCDEF"[digit];
    }
}
