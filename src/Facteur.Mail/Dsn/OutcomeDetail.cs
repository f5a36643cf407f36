using System.Buffers;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Dsn;

/// <summary>What the journal keeps of one recipient's outcome: one byte of marks, then the status (docs/formats/envelope.md).</summary>
public static class OutcomeDetail
{
    private const byte WarnedMark = 1;

    /// <summary>The bytes.</summary>
    /// <param name="status">The status.</param>
    /// <param name="warned">The message's sender was warned of the delay.</param>
    public static byte[] Write(DeliveryStatus status, bool warned)
    {
        var bytes = new ArrayBufferWriter<byte>(256);
        var writer = new FieldWriter(bytes);
        writer.Byte(warned ? WarnedMark : (byte)0);
        DeliveryStatusCodec.Write(status, ref writer);
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads it back; a status that can't be read is "unknown", so that its recipient is tried again or reported all the same.</summary>
    public static (DeliveryStatus? Status, bool Warned) Read(ReadOnlySpan<byte> detail)
    {
        var reader = new FieldReader(detail);
        var marks = reader.Byte();
        var status = DeliveryStatusCodec.Read(ref reader);
        return (status, (marks & WarnedMark) != 0);
    }
}
