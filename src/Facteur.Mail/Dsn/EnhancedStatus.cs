namespace Facteur.Mail.Dsn;

/// <summary>An enhanced status code, class.subject.detail (RFC 3463 section 2): class 2, 4 or 5, subject and detail 0 to 999.</summary>
/// <param name="Class">2 success, 4 persistent transient failure, 5 permanent failure.</param>
/// <param name="Subject">What the status is about, 0 to 999.</param>
/// <param name="Detail">The exact condition, 0 to 999.</param>
public readonly record struct EnhancedStatus(byte Class, ushort Subject, ushort Detail)
{
    /// <summary>2.0.0, success without more to say.</summary>
    public static EnhancedStatus Ok => new(2, 0, 0);

    /// <summary>Parses a code at the start of a text; what follows must be the end, a space or a tab.</summary>
    /// <param name="text">A reply text such as "5.1.1 user unknown".</param>
    /// <param name="status">The code found.</param>
    /// <param name="length">Characters that the code takes.</param>
    /// <returns>False when the text does not begin with a valid code.</returns>
    public static bool TryParsePrefix(ReadOnlySpan<char> text, out EnhancedStatus status, out int length)
    {
        status = default;
        length = 0;
        if (text.Length < 5 || text[0] is not ('2' or '4' or '5') || text[1] != '.')
        {
            return false;
        }
        var at = 2;
        if (!TryNumber(text, ref at, out var subject) || at >= text.Length || text[at++] != '.' || !TryNumber(text, ref at, out var detail))
        {
            return false;
        }
        if (at < text.Length && text[at] is not (' ' or '\t'))
        {
            return false;
        }
        status = new EnhancedStatus((byte)(text[0] - '0'), subject, detail);
        length = at;
        return true;
    }

    /// <summary>Parses a whole text that must be a code and nothing else.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out EnhancedStatus status) =>
        TryParsePrefix(text, out status, out var length) && length == text.Length;

    /// <inheritdoc/>
    public override string ToString() => $"{Class}.{Subject}.{Detail}";

    private static bool TryNumber(ReadOnlySpan<char> text, ref int at, out ushort value)
    {
        value = 0;
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]) && at - start < 3)
        {
            value = (ushort)(value * 10 + (text[at++] - '0'));
        }
        return at > start;
    }
}
