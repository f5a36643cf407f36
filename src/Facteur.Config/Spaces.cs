namespace Facteur.Config;

/// <summary>White space as configuration files and tables have it: that of ASCII. A no-break space, which texts copied from web pages hold, is a letter (Postfix: isspace(3) of a byte).</summary>
public static class Spaces
{
    private const string All = " \t\n\v\f\r";

    /// <summary>Whether a character is white space.</summary>
    public static bool Is(char c) => c is ' ' or (>= '\t' and <= '\r');

    /// <summary>A text without white space around it.</summary>
    public static string Trim(string text) => text.AsSpan().Trim(All) is var inner && inner.Length == text.Length ? text : inner.ToString();

    /// <summary>A text without white space before it.</summary>
    public static string TrimStart(string text) => text[^text.AsSpan().TrimStart(All).Length..];

    /// <summary>A text without white space behind it.</summary>
    public static string TrimEnd(string text) => text[..text.AsSpan().TrimEnd(All).Length];

    /// <summary>Whether a text is white space and nothing else.</summary>
    public static bool Only(ReadOnlySpan<char> text) => text.Trim(All).Length == 0;
}
