using System.Buffers;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Dsn;

/// <summary>
/// The bytes of a <see cref="DeliveryStatus"/>: the detail of an outcome in the journal and in delivery results on the wire.
/// Version, outcome, action, status (byte, 16 bits, 16 bits), reason, then five optional texts: diagnostic type and text, remote MTA's type and name, relay.
/// Version 2, of addresses that a recipient was expanded to, goes on with the address as an optional text and a byte: 1 when another status follows.
/// </summary>
public static class DeliveryStatusCodec
{
    /// <summary>Format written of a status that is the recipient's own and the only one.</summary>
    public const byte Version = 1;

    private const byte ExpandedVersion = 2;

    // A character of the UTF-16 text takes at most three bytes of UTF-8.
    private const int TextLimit = DeliveryStatus.ReasonLimit * 3;
    private const int NameLimit = 1024;

    /// <summary>Appends a status's bytes; texts longer than <see cref="DeliveryStatus.ReasonLimit"/> are cut.</summary>
    public static void Write(DeliveryStatus status, ref FieldWriter writer)
    {
        var (left, next) = (DeliveryStatus.ChainLimit - 1, status);
        do
        {
            status = next;
            next = left-- > 0 ? status.Next : null;
            WriteOne(status, next is not null, ref writer);
        }
        while (next is not null);
    }

    private static void WriteOne(DeliveryStatus status, bool more, ref FieldWriter writer)
    {
        var expanded = more || status.Recipient is not null;
        writer.Byte(expanded ? ExpandedVersion : Version);
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
        if (expanded)
        {
            // An address is never cut where it fits: half of one is another's.
            writer.OptionalText(status.Recipient is { } address && System.Text.Encoding.UTF8.GetByteCount(address) <= NameLimit ? address : Cut(status.Recipient, NameLimit / 3));
            writer.Byte(more ? (byte)1 : (byte)0);
        }
    }

    /// <summary>Reads a status; on anything invalid the reader has failed and null comes back.</summary>
    public static DeliveryStatus? Read(ref FieldReader reader)
    {
        var first = ReadOne(ref reader, out var more);
        if (first is null || !more)
        {
            return first;
        }
        var all = new Stack<DeliveryStatus>([first]);
        while (more && all.Count < DeliveryStatus.ChainLimit && ReadOne(ref reader, out more) is { } another)
        {
            all.Push(another);
        }
        if (reader.Failed || more)
        {
            reader.Fail();
            return null;
        }
        return all.Aggregate((next, status) => status with { Next = next });
    }

    private static DeliveryStatus? ReadOne(ref FieldReader reader, out bool more)
    {
        more = false;
        var version = reader.Byte();
        if (version is not (Version or ExpandedVersion))
        {
            reader.Fail();
            return null;
        }
        var outcome = (DeliveryOutcome)reader.Byte();
        var action = (DsnAction)reader.Byte();
        var code = new EnhancedStatus(reader.Byte(), reader.UInt16(), reader.UInt16());
        var status = new DeliveryStatus(outcome, code, reader.Text(TextLimit), action,
            reader.OptionalText(NameLimit), reader.OptionalText(TextLimit), reader.OptionalText(NameLimit), reader.OptionalText(NameLimit), reader.OptionalText(NameLimit));
        if (version == ExpandedVersion)
        {
            status = status with { Recipient = reader.OptionalText(NameLimit) };
            var mark = reader.Byte();
            more = mark == 1;
            if (mark > 1 || (!more && status.Recipient is null))
            {
                // Of one's own there is one way to write it.
                reader.Fail();
            }
        }
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
