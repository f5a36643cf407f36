using System.Buffers;

namespace Facteur.Spool.Maildrop;

/// <summary>Types of the records that a maildrop file is made of, as Postfix writes them.</summary>
public enum MaildropRecordType : byte
{
    /// <summary>T: when it was made, "seconds microseconds".</summary>
    Time = (byte)'T',

    /// <summary>A: "name=value".</summary>
    Attribute = (byte)'A',

    /// <summary>F: the sender's full name.</summary>
    FullName = (byte)'F',

    /// <summary>S: the sender.</summary>
    Sender = (byte)'S',

    /// <summary>R: a recipient.</summary>
    Recipient = (byte)'R',

    /// <summary>V: the two delimiters of VERP.</summary>
    Verp = (byte)'V',

    /// <summary>M: content follows.</summary>
    ContentStart = (byte)'M',

    /// <summary>N: a line of content, or the end of one.</summary>
    Line = (byte)'N',

    /// <summary>L: the beginning or middle of a long line.</summary>
    LinePart = (byte)'L',

    /// <summary>X: content ended; recipients found in headers follow.</summary>
    ContentEnd = (byte)'X',

    /// <summary>E: the end.</summary>
    End = (byte)'E',
}

/// <summary>One record: a type, a length in base 128 with the low digits first, and bytes.</summary>
public readonly ref struct MaildropRecord
{
    /// <summary>Most bytes of one record's data.</summary>
    public const int DataLimit = 64 * 1024;

    /// <summary>Most bytes of one record.</summary>
    public const int SizeLimit = DataLimit + 6;

    /// <summary>Its type; may be none of the known ones.</summary>
    public MaildropRecordType Type { get; private init; }

    /// <summary>Its data.</summary>
    public ReadOnlySpan<byte> Data { get; private init; }

    /// <summary>The whole record.</summary>
    public ReadOnlySpan<byte> Raw { get; private init; }

    /// <summary>Takes a record off the front of the input.</summary>
    /// <param name="input">The bytes; unchanged when the record is not whole or not valid.</param>
    /// <param name="record">The record.</param>
    /// <param name="invalid">No record can begin so.</param>
    /// <returns>Whether there was a whole record.</returns>
    public static bool TryTake(scoped ref ReadOnlySpan<byte> input, out MaildropRecord record, out bool invalid)
    {
        record = default;
        invalid = false;
        var length = 0;
        for (var at = 1; at < input.Length; at++)
        {
            length |= (input[at] & 0x7f) << (7 * (at - 1));
            if (length > DataLimit || at > 3)
            {
                invalid = true;
                return false;
            }
            if (input[at] < 0x80)
            {
                if (input.Length - at - 1 < length)
                {
                    return false;
                }
                record = new MaildropRecord { Type = (MaildropRecordType)input[0], Data = input.Slice(at + 1, length), Raw = input[..(at + 1 + length)] };
                input = input[(at + 1 + length)..];
                return true;
            }
        }
        return false;
    }

    /// <summary>Writes a record.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="data">At most <see cref="DataLimit"/> bytes.</param>
    /// <param name="into">Where to.</param>
    public static void Write(MaildropRecordType type, ReadOnlySpan<byte> data, IBufferWriter<byte> into)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, DataLimit);
        var span = into.GetSpan(data.Length + 6);
        var at = 0;
        span[at++] = (byte)type;
        var rest = data.Length;
        while (rest >= 0x80)
        {
            span[at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }
        span[at++] = (byte)rest;
        data.CopyTo(span[at..]);
        into.Advance(at + data.Length);
    }
}
