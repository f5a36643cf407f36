using System.Buffers;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Dsn;

/// <summary>
/// The bytes of a <see cref="DeliveryStatus"/>: the detail of an outcome in the journal and in delivery results on the wire.
/// Version, outcome, action, status (byte, 16 bits, 16 bits), reason, then five optional texts: diagnostic type and text, remote MTA's type and name, relay.
/// </summary>
public static class DeliveryStatusCodec
{
    /// <summary>Format written.</summary>
    public const byte Version = 1;

    // A character of the UTF-16 text takes at most three bytes of UTF-8.
    private const int TextLimit = DeliveryStatus.ReasonLimit * 3;
    private const int NameLimit = 1024;

    /// <summary>Appends a status's bytes; texts longer than <see cref="DeliveryStatus.ReasonLimit"/> are cut.</summary>
    public static void Write(DeliveryStatus status, ref FieldWriter writer)
    {
        writer.Byte(Version);
        writer.Byte((byte)status.Outcome);
        writer.Byte((byte)status.Action);
        writer.Byte(status.Status.Class);
        writer.UInt16(status.Status.Subject);
        writer.UInt16(status.Status.Detail);
        writer.Text(Cut(status.Reason, DeliveryStatus.ReasonLimit)!);
        writer.OptionalText(Cut(status.DiagnosticType, NameLimit / 3));
        writer.OptionalText(Cut(status.DiagnosticText, DeliveryStatus.ReasonLimit));
        writer.OptionalText(Cut(status.RemoteMtaType, NameLimit / 3));
        writer.OptionalText(Cut(status.RemoteMta, NameLimit / 3));
        writer.OptionalText(Cut(status.Relay, NameLimit / 3));
    }

    /// <summary>Reads a status; on anything invalid the reader has failed and null comes back.</summary>
    public static DeliveryStatus? Read(ref FieldReader reader)
    {
        if (reader.Byte() != Version)
        {
            reader.Fail();
            return null;
        }
        var outcome = (DeliveryOutcome)reader.Byte();
        var action = (DsnAction)reader.Byte();
        var code = new EnhancedStatus(reader.Byte(), reader.UInt16(), reader.UInt16());
        var status = new DeliveryStatus(outcome, code, reader.Text(TextLimit), action,
            reader.OptionalText(NameLimit), reader.OptionalText(TextLimit), reader.OptionalText(NameLimit), reader.OptionalText(NameLimit), reader.OptionalText(NameLimit));
        if (outcome is < DeliveryOutcome.Sent or > DeliveryOutcome.Undeliverable || action > DsnAction.Expanded
            || code.Class is not (2 or 4 or 5) || code.Subject > 999 || code.Detail > 999)
        {
            reader.Fail();
        }
        return reader.Failed ? null : status;
    }

    /// <summary>The status as an outcome's detail.</summary>
    public static byte[] ToBytes(DeliveryStatus status)
    {
        var buffer = new ArrayBufferWriter<byte>(64 + status.Reason.Length);
        var writer = new FieldWriter(buffer);
        Write(status, ref writer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The status of an outcome's detail, or null when the bytes are no status and nothing else.</summary>
    public static DeliveryStatus? FromBytes(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        var status = Read(ref reader);
        return reader.Complete ? status : null;
    }

    private static string? Cut(string? text, int limit) => text is null || text.Length <= limit ? text
        : text[..(char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit)];
}
