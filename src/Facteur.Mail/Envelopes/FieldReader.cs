using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Facteur.Mail.Envelopes;

/// <summary>
/// Reads what <see cref="FieldWriter"/> wrote, from bytes that may be hostile: nothing throws; a field that does not fit
/// yields a default, and from then on <see cref="Failed"/> stays true. Check it once at the end, before using anything.
/// </summary>
public ref struct FieldReader(ReadOnlySpan<byte> bytes)
{
    private const int KnownCount = 1024;
    private const int KnownLength = 32;
    private static readonly UTF8Encoding StrictUtf8 = new(false, true);

    [ThreadStatic]
    private static string?[]? _known;

    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Whether some field did not fit or was not valid.</summary>
    public bool Failed { get; private set; }

    /// <summary>Whether all bytes were read and all were valid.</summary>
    public readonly bool Complete => !Failed && _rest.IsEmpty;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _rest.Length;

    /// <summary>One byte.</summary>
    public byte Byte() => Take(1, out var b) ? b[0] : (byte)0;

    /// <summary>16 bits.</summary>
    public ushort UInt16() => Take(2, out var b) ? BinaryPrimitives.ReadUInt16LittleEndian(b) : (ushort)0;

    /// <summary>32 bits.</summary>
    public uint UInt32() => Take(4, out var b) ? BinaryPrimitives.ReadUInt32LittleEndian(b) : 0;

    /// <summary>64 bits.</summary>
    public ulong UInt64() => Take(8, out var b) ? BinaryPrimitives.ReadUInt64LittleEndian(b) : 0;

    /// <summary>64 bits signed.</summary>
    public long Int64() => unchecked((long)UInt64());

    /// <summary>A LEB128 number up to a limit; above it the reader fails.</summary>
    public int Length(int limit)
    {
        uint value = 0;
        for (var shift = 0; shift < 35; shift += 7)
        {
            var b = Byte();
            if (Failed || (shift == 28 && b > 7))
            {
                break;
            }
            value |= (uint)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                if (value > (uint)limit)
                {
                    break;
                }
                return (int)value;
            }
        }
        Failed = true;
        return 0;
    }

    /// <summary>Text of at most so many bytes; invalid UTF-8 fails.</summary>
    public string Text(int limit)
    {
        var n = Length(limit);
        if (n == 0 || !Take(n, out var b))
        {
            return "";
        }
        try
        {
            return n <= KnownLength ? Known(b) : StrictUtf8.GetString(b);
        }
        catch (DecoderFallbackException)
        {
            Failed = true;
            return "";
        }
    }

    // Clients, protocols and hosts come again with every message: their text is made once and kept until another falls on its place.
    private static string Known(ReadOnlySpan<byte> bytes)
    {
        var hash = (uint)bytes.Length;
        var rest = bytes;
        for (; rest.Length >= sizeof(ulong); rest = rest[sizeof(ulong)..])
        {
            hash = BitOperations.Crc32C(hash, BinaryPrimitives.ReadUInt64LittleEndian(rest));
        }
        foreach (var b in rest)
        {
            hash = BitOperations.Crc32C(hash, b);
        }
        var known = _known ??= new string?[KnownCount];
        ref var place = ref known[(hash ^ (hash >> 16)) % KnownCount];
        if (place is null || !Ascii.Equals(bytes, place))
        {
            place = StrictUtf8.GetString(bytes);
        }
        return place;
    }

    /// <summary>Text that may be absent.</summary>
    public string? OptionalText(int limit) => Byte() == 0 ? null : Text(limit);

    /// <summary>Bytes with their length in front.</summary>
    public ReadOnlySpan<byte> Bytes(int limit)
    {
        var n = Length(limit);
        return Take(n, out var b) ? b : default;
    }

    /// <summary>Marks the input as invalid: a value was read that its meaning forbids.</summary>
    public void Fail() => Failed = true;

    private bool Take(int n, out ReadOnlySpan<byte> taken)
    {
        if (Failed || n > _rest.Length)
        {
            Failed = true;
            taken = default;
            return false;
        }
        taken = _rest[..n];
        _rest = _rest[n..];
        return true;
    }
}
