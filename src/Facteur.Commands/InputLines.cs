namespace Facteur.Commands;

/// <summary>Lines of standard input, without their ends.</summary>
internal static class InputLines
{
    /// <summary>No line may be longer.</summary>
    private const int MaxLine = 1 << 24;

    /// <summary>The lines as bytes; a longer one is cut into several.</summary>
    public static IEnumerable<byte[]> Read(Stream input)
    {
        using var buffered = new BufferedStream(input, 1 << 16);
        var line = new MemoryStream();
        for (var next = buffered.ReadByte(); next >= 0; next = buffered.ReadByte())
        {
            if (next == '\n' || line.Length == MaxLine)
            {
                yield return line.ToArray();
                line.SetLength(0);
            }
            if (next != '\n')
            {
                line.WriteByte((byte)next);
            }
        }
        if (line.Length > 0)
        {
            yield return line.ToArray();
        }
    }

    /// <summary>The lines, each up to a null byte that it has: keys are texts.</summary>
    public static IEnumerable<byte[]> ReadTexts(Stream input) => Read(input).Select(l => l.AsSpan().IndexOf((byte)0) is >= 0 and var end ? l[..end] : l);

    /// <summary>All of standard input.</summary>
    public static byte[] ReadAll(Stream input)
    {
        using var all = new MemoryStream();
        input.CopyTo(all);
        return all.ToArray();
    }
}
