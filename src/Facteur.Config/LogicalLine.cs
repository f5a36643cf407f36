using System.Text;

namespace Facteur.Config;

/// <summary>
/// A logical line of main.cf or master.cf: a line and the lines after it that start with white space, joined as they are.
/// Comments and blank lines vanish, also between continuation lines, and do not end the logical line.
/// </summary>
/// <param name="Text">Its text, white space kept.</param>
/// <param name="First">Its first line's number, from 1.</param>
/// <param name="Last">Its last line's number.</param>
public readonly record struct LogicalLine(string Text, int First, int Last)
{
    /// <summary>Splits a file's text.</summary>
    public static List<LogicalLine> Split(string text)
    {
        var list = new List<LogicalLine>();
        var joined = new StringBuilder();
        var (first, last, number) = (0, 0, 0);
        foreach (var range in text.AsSpan().Split('\n'))
        {
            number++;
            var line = text.AsSpan(range);
            if (IsBlankOrComment(line))
            {
                continue;
            }
            if (joined.Length > 0 && !Spaces.Is(line[0]))
            {
                list.Add(new LogicalLine(joined.ToString(), first, last));
                joined.Clear();
            }
            first = joined.Length == 0 ? number : first;
            last = number;
            joined.Append(line);
        }
        if (joined.Length > 0)
        {
            list.Add(new LogicalLine(joined.ToString(), first, last));
        }
        return list;
    }

    /// <summary>Postfix's warning of a first line that starts with white space: it continues none, and is left out. Null for any other.</summary>
    /// <param name="path">The file's name.</param>
    public string? StartsWrong(string path) => !Spaces.Is(Text[0]) ? null
        : $"{path}: logical line must not start with whitespace: \"{(Text.Length > 30 ? Text[..30] + "..." : Text)}\"";

    /// <summary>Whether a physical line is blank or a comment.</summary>
    public static bool IsBlankOrComment(ReadOnlySpan<char> line) => line.TrimStart(" \t\n\v\f\r") is [] or ['#', ..];
}
