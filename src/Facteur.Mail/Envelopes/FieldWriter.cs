using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Facteur.Mail.Envelopes;

/// <summary>Writes the fields of a record or frame: little-endian integers, LEB128 lengths, UTF-8 text with its length in front.</summary>
public readonly ref struct FieldWriter(IBufferWriter<byte> output)
{
    private readonly IBufferWriter<byte> _output = output;

    /// <summary>One byte.</summary>
    public void Byte(byte value)
    {
        _output.GetSpan(1)[0] = value;
        _output.Advance(1);
    }

    /// <summary>16 bits, little-endian.</summary>
    public void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_output.GetSpan(2), value);
        _output.Advance(2);
    }

    /// <summary>32 bits, little-endian.</summary>
    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_output.GetSpan(4), value);
        _output.Advance(4);
    }

    /// <summary>64 bits, little-endian.</summary>
    public void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_output.GetSpan(8), value);
        _output.Advance(8);
    }

    /// <summary>64 bits signed, little-endian.</summary>
    public void Int64(long value) => UInt64(unchecked((ulong)value));

    /// <summary>A non-negative number, LEB128, one to five bytes.</summary>
    public void Length(int value)
    {
        var span = _output.GetSpan(5);
        var rest = (uint)value;
        var n = 0;
        while (rest >= 0x80)
        {
            span[n++] = (byte)(rest | 0x80);
            rest >>= 7;
        }
        span[n++] = (byte)rest;
        _output.Advance(n);
    }

    /// <summary>Text: length in bytes, then UTF-8.</summary>
    public void Text(string value)
    {
        var n = Encoding.UTF8.GetByteCount(value);
        Length(n);
        if (n > 0)
        {
            Encoding.UTF8.GetBytes(value, _output.GetSpan(n));
            _output.Advance(n);
        }
    }

    /// <summary>Text that may be absent: 0, or 1 and the text.</summary>
    public void OptionalText(string? value)
    {
        Byte(value is null ? (byte)0 : (byte)1);
        if (value is not null)
        {
            Text(value);
        }
    }

    /// <summary>Bytes: length, then the bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        Length(value.Length);
        _output.Write(value);
    }
}
