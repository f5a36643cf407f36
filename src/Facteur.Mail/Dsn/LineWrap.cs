using System.Buffers;

namespace Facteur.Mail.Dsn;

/// <summary>Folds a long line at white space. White space within a line stays as it is; a word longer than a line is not cut.</summary>
public static class LineWrap
{
    /// <summary>Appends the text as one or more lines, each with its LF.</summary>
    /// <param name="text">One line, without LF.</param>
    /// <param name="width">Most bytes of a line, its indentation included.</param>
    /// <param name="indent">Spaces in front of the second and later lines.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Write(ReadOnlySpan<byte> text, int width, int indent, IBufferWriter<byte> output)
    {
        var margin = 0;
        while (true)
        {
            var end = LineEnd(text, width - margin);
            output.GetSpan(margin)[..margin].Fill((byte)' ');
            output.Advance(margin);
            output.Write(text[..end]);
            output.Write("\n"u8);
            text = text[end..].TrimStart(" \t"u8);
            if (text.IsEmpty)
            {
                return;
            }
            margin = indent;
        }
    }

    // Where the last word ends that still fits; the first word always does.
    private static int LineEnd(ReadOnlySpan<byte> text, int width)
    {
        var end = WordEnd(text, 0);
        while (true)
        {
            var next = end;
            while (next < text.Length && text[next] is (byte)' ' or (byte)'\t')
            {
                next++;
            }
            var nextEnd = WordEnd(text, next);
            if (next == text.Length || nextEnd > width)
            {
                return end;
            }
            end = nextEnd;
        }
    }

    private static int WordEnd(ReadOnlySpan<byte> text, int start) =>
        text[start..].IndexOfAny((byte)' ', (byte)'\t') is var n and >= 0 ? start + n : text.Length;
}
