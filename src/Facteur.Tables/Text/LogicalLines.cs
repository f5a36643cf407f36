using System.Text;

namespace Facteur.Tables.Text;

/// <summary>
/// The line rules of all Postfix text files: blank lines and lines whose first other character is "#" are left out, also between the
/// parts of a long line; a line that starts with white space continues the one before.
/// </summary>
public static class LogicalLines
{
    /// <summary>Cuts a text into logical lines; what can't be one is told and left out.</summary>
    /// <param name="content">The bytes of the file.</param>
    /// <param name="path">Its name, for warnings.</param>
    /// <param name="utf8">Lines must be UTF-8; else they are read as Latin-1.</param>
    /// <param name="events">Where warnings go.</param>
    public static IEnumerable<LogicalLine> Read(ReadOnlyMemory<byte> content, string path, bool utf8, ITableEvents events)
    {
        var joined = new MemoryStream();
        var first = 0;
        var number = 0;
        var at = 0;
        while (at < content.Length)
        {
            var rest = content.Span[at..];
            var end = rest.IndexOf((byte)'\n');
            var line = content.Slice(at, end < 0 ? rest.Length : end);
            at += line.Length + 1;
            number++;
            var blank = line.Span.IndexOfAnyExcept(" \t\r\v\f"u8);
            if (blank < 0 || line.Span[blank] == '#')
            {
                continue;
            }
            if (blank == 0 && first > 0)
            {
                if (Decode(joined, first, path, utf8, events) is { } whole)
                {
                    yield return whole;
                }
                joined.SetLength(0);
            }
            first = joined.Length == 0 ? number : first;
            joined.Write(line.Span);
        }
        if (first > 0 && Decode(joined, first, path, utf8, events) is { } last)
        {
            yield return last;
        }
    }

    private static LogicalLine? Decode(MemoryStream joined, int first, string path, bool utf8, ITableEvents events)
    {
        var bytes = joined.GetBuffer().AsSpan(0, (int)joined.Length);
        // Postfix: as in main.cf, a line ends where it has a null byte.
        if (bytes.IndexOf((byte)0) is >= 0 and var end)
        {
            events.Warning($"{path}, line {first}: text after null byte may be ignored");
            bytes = bytes[..end];
        }
        if (bytes.IsEmpty)
        {
            return null;
        }
        if (utf8 && !System.Text.Unicode.Utf8.IsValid(bytes))
        {
            events.Warning($"{path}, line {first}: non-UTF-8 input \"{Printable.Of(bytes)}\" -- ignoring this line");
            return null;
        }
        var text = (utf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes);
        if (IsSpace(text[0]))
        {
            events.Warning($"{path}: logical line must not start with whitespace: \"{(text.Length > 30 ? text[..30] + "..." : text)}\"");
            return null;
        }
        return new LogicalLine(first, text);
    }

    internal static bool IsSpace(char c) => c is ' ' or '\t' or '\r' or '\n' or '\v' or '\f';
}
