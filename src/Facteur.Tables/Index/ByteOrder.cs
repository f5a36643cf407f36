namespace Facteur.Tables.Index;

/// <summary>The order of LMDB's keys: byte by byte, the shorter first.</summary>
internal sealed class ByteOrder : IComparer<byte[]>
{
    public static readonly ByteOrder Instance = new();

    public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
}
