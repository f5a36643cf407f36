using System.Text;
using Facteur.Spool;

namespace Facteur.Services.Deliver;

/// <summary>The addresses in a message's Delivered-To headers: mail for one of them has been here before and loops.</summary>
internal static class DeliveredTo
{
    private const int LineLimit = 2048;

    private static ReadOnlySpan<byte> Name => "delivered-to:"u8;

    /// <summary>Reads the header.</summary>
    /// <param name="content">The message; read from its beginning.</param>
    /// <param name="end">Data or End when the header could be read.</param>
    public static IReadOnlySet<string> Find(MessageContent content, out ContentRead end)
    {
        var found = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var line = new byte[LineLimit];
        var used = 0;
        content.Rewind();
        while ((end = content.Read(out var piece)) == ContentRead.Data)
        {
            var rest = piece.Span;
            while (!rest.IsEmpty)
            {
                var lineEnd = rest.IndexOf((byte)'\n');
                var part = lineEnd < 0 ? rest : rest[..lineEnd];
                var kept = part[..Math.Min(part.Length, LineLimit - used)];
                kept.CopyTo(line.AsSpan(used));
                used += kept.Length;
                if (lineEnd < 0)
                {
                    break;
                }
                if (used == 0)
                {
                    return found;
                }
                Add(line.AsSpan(0, used), found);
                used = 0;
                rest = rest[(lineEnd + 1)..];
            }
        }
        return found;
    }

    private static void Add(ReadOnlySpan<byte> line, HashSet<string> found)
    {
        if (line.Length > Name.Length && Ascii.EqualsIgnoreCase(line[..Name.Length], Name))
        {
            found.Add(Encoding.UTF8.GetString(line[Name.Length..]).Trim());
        }
    }
}
