using System.Text;

namespace Facteur.Tables.Text;

/// <summary>
/// The text of a pattern table as its bytes are, each a character: Postfix reads such files and matches by bytes, and looks only at a result that it gives
/// whether that is UTF-8.
/// </summary>
internal static class ByteText
{
    /// <summary>How the reason ends why a text is none.</summary>
    public const string Malformed = "malformed UTF-8 or invalid codepoint";

    /// <summary>The characters of a text; null when it has to be UTF-8 and is not.</summary>
    public static string? Decode(string text, bool utf8)
    {
        if (!utf8 || Ascii.IsValid(text))
        {
            return text;
        }
        var bytes = Encoding.Latin1.GetBytes(text);
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;
    }

    /// <summary>A text for a message.</summary>
    public static string Shown(string text, bool utf8) => Decode(text, utf8) ?? Printable.Of(Encoding.Latin1.GetBytes(text));

    /// <summary>A result. One that is not UTF-8 where that is the rule is an error: the key was found, and nobody knows what was said of it.</summary>
    public static Lookup Answer(string name, string key, string result, bool utf8) => Decode(result, utf8) is { } text ? Lookup.Found(text)
        : Lookup.Error($"{name}: key \"{key}\": non-UTF-8 value \"{Printable.Of(Encoding.Latin1.GetBytes(result))}\": {Malformed}");
}
