using System.Text;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Smtp;

/// <summary>The text of a reply as it may enter logs and reports: printable, bounded, line feeds only between its lines.</summary>
public static class SmtpReplyText
{
    /// <summary>Most characters kept of one reply.</summary>
    public const int TextLimit = 2048;

    /// <summary>Makes text of a reply's bytes: line ends become single line feeds, control characters and broken UTF-8 become "?".</summary>
    public static string Make(ReadOnlySpan<byte> reply)
    {
        reply = reply.TrimEnd("\r\n \t"u8);
        Span<char> text = stackalloc char[TextLimit];
        var length = 0;
        while (!reply.IsEmpty && length < TextLimit - 1)
        {
            var b = reply[0];
            var taken = 1;
            if (b is >= (byte)' ' and < 0x7f)
            {
                text[length++] = (char)b;
            }
            else if (b == '\n')
            {
                while (length > 0 && text[length - 1] is ' ')
                {
                    length--;
                }
                text[length++] = '\n';
            }
            else if (b is (byte)'\t' || (b is (byte)'\r' && reply.Length > 1 && reply[1] == '\n'))
            {
                text[length] = ' ';
                length += b == '\t' ? 1 : 0;
            }
            else
            {
                var status = Rune.DecodeFromUtf8(reply, out var rune, out taken);
                var good = status == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune);
                length += (good ? rune : new Rune('?')).EncodeToUtf16(text[length..]);
            }
            reply = reply[taken..];
        }
        return new string(text[..length]);
    }

    /// <summary>A reply's text in one line, as Postfix logs it: lines joined by spaces, codes and all.</summary>
    public static string OneLine(string text) => text.Replace('\n', ' ');

    /// <summary>
    /// The enhanced status of a reply: the one in its last line (as in Postfix) when its class agrees with the reply's code (RFC 2034), else class.0.0.
    /// </summary>
    public static EnhancedStatus Status(int code, ReadOnlySpan<char> text)
    {
        var line = text[(text.LastIndexOf('\n') + 1)..];
        return line.Length > 4 && EnhancedStatus.TryParsePrefix(line[4..].TrimStart(' '), out var status, out _) && status.Class == code / 100
            ? status : new EnhancedStatus((byte)(code / 100), 0, 0);
    }
}
