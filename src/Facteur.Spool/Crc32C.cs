using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Facteur.Spool;

/// <summary>CRC-32C (Castagnoli, RFC 3720 12.1), by the processor's instruction where it has one.</summary>
internal static class Crc32C
{
    private static readonly uint[] Table = MakeTable();

    /// <summary>The checksum of bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Append(~0u, bytes);

    /// <summary>Continues a running value: start with ~0, invert at the end.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        if (Sse42.X64.IsSupported)
        {
            ref var at = ref MemoryMarshal.GetReference(bytes);
            nint i = 0;
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
