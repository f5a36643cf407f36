using System.Globalization;

namespace Facteur.Spool;

/// <summary>Names in the spool's directory.</summary>
internal sealed class SpoolPaths(string root)
{
    public string Root { get; } = root;

    public string Journal { get; } = root + "/journal";

    public string Large { get; } = root + "/large";

    public string Corrupt { get; } = root + "/corrupt";

    public string Lock { get; } = root + "/journal/lock";

    public string Reserve { get; } = root + "/reserve";

    public string Segment(uint number) => $"{Journal}/{number:x8}.seg";

    public string Checkpoint(ulong sequence) => $"{Journal}/checkpoint-{sequence:x8}";

    public string NewCheckpoint(ulong sequence) => Checkpoint(sequence) + ".new";

    // 256 messages in turn share a directory, so that one directory sync serves many.
    public string LargeDirectory(ulong id) => $"{Large}/{(byte)(id >> 8):x2}";

    public string LargeFile(ulong id) => $"{LargeDirectory(id)}/{id:x16}";

    public string Spares => Large + "/spare";

    // Under the number of the message it belonged to.
    public string Spare(ulong id) => $"{Spares}/{id:x16}";

    public static bool TrySegment(string name, out uint number)
    {
        number = 0;
        return name.Length == 12 && name.EndsWith(".seg", StringComparison.Ordinal)
            && uint.TryParse(name.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
    }

    public static bool TryCheckpoint(string name, out ulong sequence)
    {
        sequence = 0;
        return name.StartsWith("checkpoint-", StringComparison.Ordinal)
            && ulong.TryParse(name.AsSpan(11), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out sequence);
    }

    public static bool TryLarge(string name, out ulong id)
    {
        id = 0;
        return name.Length == 16 && ulong.TryParse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out id);
    }
}
