using System.Text;

namespace Facteur.Config;

/// <summary>Changes logical lines in a file's text and keeps all else byte for byte; comments between continuation lines stay too.</summary>
internal static class LineEditor
{
    /// <summary>What becomes of a logical line.</summary>
    internal enum Verdict : byte
    {
        /// <summary>It stays.</summary>
        Keep,

        /// <summary>The text takes its place; null takes it away.</summary>
        Replace,

        /// <summary>Each of its lines gets a "#".</summary>
        CommentOut,
    }

    /// <summary>Asks for each logical line what becomes of it.</summary>
    internal static StringBuilder Edit(string text, Func<string, (Verdict Verdict, string? Text)> decide)
    {
        var output = new StringBuilder(text.Length + 128);
        var lines = text.Split('\n');
        var count = lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        for (var start = 0; start < count;)
        {
            if (LogicalLine.IsBlankOrComment(lines[start]))
            {
                output.Append(lines[start++]).Append('\n');
                continue;
            }
            var end = EndOf(lines, start, count);
            var block = lines.AsSpan(start, end - start);
            var (verdict, replacement) = decide(Join(block));
            if (verdict == Verdict.Replace && replacement is not null)
            {
                output.Append(replacement).Append('\n');
            }
            foreach (var line in block)
            {
                var kept = verdict == Verdict.Keep || LogicalLine.IsBlankOrComment(line);
                if (kept || verdict == Verdict.CommentOut)
                {
                    output.Append(kept ? "" : "#").Append(line).Append('\n');
                }
            }
            start = end;
        }
        return output;
    }

    // One past the last continuation line; comments after it belong to nobody.
    private static int EndOf(string[] lines, int start, int count)
    {
        var end = start + 1;
        for (var i = end; i < count; i++)
        {
            if (LogicalLine.IsBlankOrComment(lines[i]))
            {
                continue;
            }
            if (!char.IsWhiteSpace(lines[i][0]))
            {
                break;
            }
            end = i + 1;
        }
        return end;
    }

    private static string Join(ReadOnlySpan<string> block)
    {
        var joined = new StringBuilder();
        foreach (var line in block)
        {
            if (!LogicalLine.IsBlankOrComment(line))
            {
                joined.Append(line);
            }
        }
        return joined.ToString();
    }
}
