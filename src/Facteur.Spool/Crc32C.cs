using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Facteur.Spool;

/// <summary>CRC-32C (Castagnoli, RFC 3720 12.1), by the processor's instruction where it has one.</summary>
internal static class Crc32C
{
    /// <summary>Bytes of one of three lanes: the instruction answers after three cycles but takes a new value in each.</summary>
    private const int Lane = 256;

    private static readonly uint[] Table = MakeTable();
    private static readonly uint[] Shift = MakeShift();

    /// <summary>The checksum of bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Append(~0u, bytes);

    /// <summary>Continues a running value: start with ~0, invert at the end.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        if (Sse42.X64.IsSupported)
        {
            ref var at = ref MemoryMarshal.GetReference(bytes);
            nint i = 0;
            for (; i <= bytes.Length - 3 * Lane; i += 3 * Lane)
            {
                crc = ThreeLanes(crc, ref Unsafe.Add(ref at, i));
            }
            ulong wide = crc;
            for (; i <= bytes.Length - 8; i += 8)
            {
                wide = Sse42.X64.Crc32(wide, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, i)));
            }
            crc = (uint)wide;
            for (; i < bytes.Length; i++)
            {
                crc = Sse42.Crc32(crc, Unsafe.Add(ref at, i));
            }
            return crc;
        }
        if (Crc32.Arm64.IsSupported)
        {
            for (; bytes.Length >= 8; bytes = bytes[8..])
            {
                crc = Crc32.Arm64.ComputeCrc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            }
            foreach (var b in bytes)
            {
                crc = Crc32.ComputeCrc32C(crc, b);
            }
            return crc;
        }
        return AppendByTable(crc, bytes);
    }

    /// <summary>The same without the instruction.</summary>
    public static uint AppendByTable(uint crc, ReadOnlySpan<byte> bytes)
    {
        foreach (var b in bytes)
        {
            crc = Table[(byte)(crc ^ b)] ^ (crc >> 8);
        }
        return crc;
    }

    // A checksum is linear: that of A B, begun with c, is the one of A begun with c moved on by as many zeros as B has bytes, xor that of B begun with 0.
    private static uint ThreeLanes(uint crc, ref byte at)
    {
        ulong a = crc, b = 0, c = 0;
        for (nint i = 0; i < Lane; i += 8)
        {
            a = Sse42.X64.Crc32(a, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, i)));
            b = Sse42.X64.Crc32(b, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, i + Lane)));
            c = Sse42.X64.Crc32(c, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, i + 2 * Lane)));
        }
        return MoveOn(MoveOn((uint)a) ^ (uint)b) ^ (uint)c;
    }

    /// <summary>The running value after as many zeros as a lane is long.</summary>
    private static uint MoveOn(uint crc) => Shift[(byte)crc] ^ Shift[256 + (byte)(crc >> 8)] ^ Shift[512 + (byte)(crc >> 16)] ^ Shift[768 + (crc >> 24)];

    private static uint[] MakeShift()
    {
        var bits = new uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            bits[bit] = AppendByTable(1u << bit, new byte[Lane]);
        }
        var shift = new uint[4 * 256];
        for (var i = 0; i < shift.Length; i++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                shift[i] ^= (i >> bit & 1) != 0 ? bits[i / 256 * 8 + bit] : 0;
            }
        }
        return shift;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? (value >> 1) ^ 0x82F63B78 : value >> 1;
            }
            table[i] = value;
        }
        return table;
    }
}
