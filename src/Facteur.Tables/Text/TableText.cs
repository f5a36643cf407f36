using Facteur.Config;

namespace Facteur.Tables.Text;

/// <summary>The text that postmap reads: "key whitespace value"; white space in a key is protected by double quotes, which stay part of the key.</summary>
public static class TableText
{
    /// <summary>The entries; lines that are none are told and left out.</summary>
    /// <param name="content">The bytes of the file.</param>
    /// <param name="path">Its name, for warnings.</param>
    /// <param name="utf8">Lines must be UTF-8.</param>
    /// <param name="events">Where warnings go.</param>
    /// <param name="ignored">What ends the warning about a line without a value.</param>
    public static IEnumerable<TableEntry> Parse(ReadOnlyMemory<byte> content, string path, bool utf8, ITableEvents events, string ignored = "")
    {
        foreach (var (line, text) in LogicalLines.Read(content, path, utf8, events))
        {
            var end = EndOfKey(text);
            if (end < 0)
            {
                events.Warning($"{path}, line {line}: unbalanced '\"' in '{text}' -- ignoring this line");
                continue;
            }
            var key = text[..end];
            var value = Spaces.Trim(text[end..]);
            if (value.Length == 0)
            {
                events.Warning($"{path}, line {line}: expected format: key whitespace value{ignored}");
                continue;
            }
            if (key.EndsWith(':'))
            {
                events.Warning($"{path}, line {line}: record is in \"key: value\" format; is this an alias file?");
            }
            yield return new TableEntry(line, key, value);
        }
    }

    /// <summary>Where the key ends; -1 when a quote is not closed.</summary>
    private static int EndOfKey(string text)
    {
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == '"')
            {
                quoted = !quoted;
            }
            else if (!quoted && LogicalLines.IsSpace(text[i]))
            {
                return i;
            }
        }
        return quoted ? -1 : text.Length;
    }
}
