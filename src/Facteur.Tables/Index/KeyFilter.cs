using System.Buffers.Binary;
using System.Numerics;

namespace Facteur.Tables.Index;

/// <summary>
/// Says of most keys that are not in an index that they are not: of some hundred that mail is asked for, hardly one is there. A bit for each key's hash, sixteen
/// bits of room for each key. Zeros at the end of a key don't count: whoever wrote the index chose whether there is one. Who chooses keys whose bits are set gains a search of the index, no more.
/// </summary>
internal sealed class KeyFilter
{
    /// <summary>Keys of the largest index that gets one.</summary>
    private const int Limit = 1 << 16;

    private const int BitsPerKey = 16;

    private readonly ulong[] _bits;
    private readonly int _shift;

    private KeyFilter(List<ulong> hashes)
    {
        var bits = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(hashes.Count * BitsPerKey, 64));
        _bits = new ulong[bits / 64];
        _shift = 64 - BitOperations.Log2((uint)bits);
        foreach (var hash in hashes)
        {
            var bit = hash >> _shift;
            _bits[bit / 64] |= 1UL << (int)(bit % 64);
        }
    }

    /// <summary>The filter of an index; null when it is too large, or damaged.</summary>
    /// <param name="entries">The index.</param>
    public static KeyFilter? Of(IEntries entries)
    {
        var hashes = new List<ulong>();
        try
        {
            foreach (var (key, _) in entries.Entries())
            {
                if (hashes.Count == Limit)
                {
                    return null;
                }
                hashes.Add(Hash(key));
            }
            return new KeyFilter(hashes);
        }
        catch (TableException)
        {
            // Lookups of what is damaged say so, those of the rest are answered.
            return null;
        }
    }

    /// <summary>Whether the index may have the key.</summary>
    public bool MayHold(ReadOnlySpan<byte> key)
    {
        var bit = Hash(key) >> _shift;
        return (_bits[bit / 64] & (1UL << (int)(bit % 64))) != 0;
    }

    // The best bits of a product are its highest.
    private static ulong Hash(ReadOnlySpan<byte> key)
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        key = key.TrimEnd((byte)0);
        var hash = (ulong)key.Length * Factor;
        while (key.Length >= sizeof(ulong))
        {
            hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(key)) * Factor, 29);
            key = key[sizeof(ulong)..];
        }
        var rest = 0UL;
        foreach (var b in key)
        {
            rest = (rest << 8) | b;
        }
        return BitOperations.RotateLeft((hash ^ rest) * Factor, 29) * Factor;
    }
}
