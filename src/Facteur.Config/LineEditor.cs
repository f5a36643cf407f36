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
    /// <param name="text">The file's text.</param>
    /// <param name="decide">What becomes of a line with this number.</param>
    /// <param name="commentsFirst">Whether comments within a line that is replaced come before what takes its place (Postfix: a changed entry of master.cf) or after it (a new entry in its place; main.cf).</param>
    internal static StringBuilder Edit(string text, Func<string, int, (Verdict Verdict, string? Text)> decide, bool commentsFirst = false)
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
            var (verdict, replacement) = decide(Join(block), start + 1);
            if (verdict == Verdict.Replace && !commentsFirst)
            {
                Append(replacement);
            }
            foreach (var line in block)
            {
                var kept = verdict == Verdict.Keep || LogicalLine.IsBlankOrComment(line);
                if (kept || verdict == Verdict.CommentOut)
                {
                    output.Append(kept ? "" : "#").Append(line).Append('\n');
                }
            }
            if (verdict == Verdict.Replace && commentsFirst)
            {
                Append(replacement);
            }
            start = end;
        }
        return output;

        void Append(string? replacement) => output.Append(replacement).Append(replacement is null ? "" : "\n");
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
            if (!Spaces.Is(lines[i][0]))
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
