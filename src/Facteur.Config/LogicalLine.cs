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
        var number = 0;
        foreach (var range in text.AsSpan().Split('\n'))
        {
            number++;
            var line = text.AsSpan(range);
            if (IsBlankOrComment(line))
            {
                continue;
            }
            if (char.IsWhiteSpace(line[0]) && list.Count > 0)
            {
                list[^1] = new LogicalLine(string.Concat(list[^1].Text, line), list[^1].First, number);
            }
            else
            {
                list.Add(new LogicalLine(line.ToString(), number, number));
            }
        }
        return list;
    }

    /// <summary>Whether a physical line is blank or a comment.</summary>
    public static bool IsBlankOrComment(ReadOnlySpan<char> line) => line.TrimStart() is [] or ['#', ..];
}
