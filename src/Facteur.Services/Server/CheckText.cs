using System.Text;
using Facteur.Mail.Headers;

namespace Facteur.Services.Server;

/// <summary>Bytes of messages and rules as text for people, and text of rules as headers.</summary>
internal static class CheckText
{
    /// <summary>Postfix: so much of a line is logged.</summary>
    private const int ShownBytes = 200;

    private static readonly Encoding Utf8 = Encoding.GetEncoding("utf-8", EncoderFallback.ReplacementFallback, new DecoderReplacementFallback("?"));

    /// <summary>The start of a line of a message, for the log.</summary>
    public static string Shown(ReadOnlySpan<byte> line) => Utf8.GetString(line[..Math.Min(line.Length, ShownBytes)]);

    /// <summary>A text whose characters are bytes, for people.</summary>
    public static string Readable(string bytes) => Ascii.IsValid(bytes) ? bytes : Utf8.GetString(Encoding.Latin1.GetBytes(bytes));

    /// <summary>Whether a rule's text begins with a header's name.</summary>
    public static bool IsHeader(string text) => HeaderField.NameLength(Encoding.Latin1.GetBytes(text)) > 0;

    /// <summary>The bytes of a header that a rule made; what follows a line end in it continues the header, whatever it looks like (Postfix: the same).</summary>
    public static byte[] Header(string text)
    {
        if (!text.Contains('\n'))
        {
            return Encoding.Latin1.GetBytes(text);
        }
        var lines = text.Split('\n');
        for (var i = 1; i < lines.Length; i++)
        {
            lines[i] = lines[i] is [' ' or '\t', ..] ? lines[i] : "\t" + lines[i];
        }
        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }
}
