using System.Text;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Envelopes;

/// <summary>
/// The bytes of an envelope, the same in the journal's end record and on the wire between roles (docs/formats/envelope.md).
/// Keep that page and its golden bytes in step with this file.
/// </summary>
public static class EnvelopeCodec
{
    /// <summary>Format written for a message without attributes; older ones are read as long as docs/formats says.</summary>
    public const byte Version = 1;

    /// <summary>Format written for a message with attributes.</summary>
    public const byte VersionWithAttributes = 2;

    /// <summary>Most recipients of one message.</summary>
    public const int RecipientLimit = 1_000_000;

    // Read; what is written stays below, so that an address may still get a domain on its way.
    private const int TextLimit = 4096;
    private const int WriteLimit = 3500;

    // A bit of the flags: VERP delimiters follow the entry's name.
    private const ushort HasVerp = 32768;

    /// <summary>Most bytes of an envelope.</summary>
    public const int SizeLimit = 32 << 20;

    /// <summary>Whether an envelope can be read back: its texts, its recipients and its size are within the format's bounds.</summary>
    public static bool Fits(Envelope envelope)
    {
        var client = envelope.Client;
        var size = 0L;
        var fits = envelope.Recipients.Count <= RecipientLimit && (envelope.Closes?.Recipients.Count ?? 0) <= RecipientLimit
            && Add(envelope.Sender, ref size) && Add(envelope.FullName, ref size) && Add(envelope.EnvelopeId, ref size) && Add(envelope.Entry, ref size)
            && Add(client.Name, ref size) && Add(client.Address, ref size) && Add(client.ReverseName, ref size) && Add(client.Helo, ref size) && Add(client.Protocol, ref size);
        fits = fits && envelope.Attributes.Pairs.Count <= MessageAttributes.Limit;
        for (var i = 0; fits && i < envelope.Attributes.Pairs.Count; i++)
        {
            fits = Add(envelope.Attributes.Pairs[i].Key, ref size) && Add(envelope.Attributes.Pairs[i].Value, ref size);
        }
        for (var i = 0; fits && i < envelope.Recipients.Count; i++)
        {
            var recipient = envelope.Recipients[i];
            fits = Add(recipient.Address, ref size) && Add(recipient.OriginalAddress, ref size) && Add(recipient.DsnOriginalRecipient, ref size) && size <= SizeLimit;
        }
        return fits;

        static bool Add(string text, ref long size)
        {
            var bytes = Encoding.UTF8.GetByteCount(text);
            size += bytes + 2;
            return bytes <= WriteLimit;
        }
    }

    /// <summary>Whether an address can be read back.</summary>
    public static bool Fits(string address) => address.Length <= TextLimit / 3 || Encoding.UTF8.GetByteCount(address) <= TextLimit;

    /// <summary>Appends the envelope's bytes.</summary>
    public static void Write(Envelope envelope, ref FieldWriter writer)
    {
        var attributes = envelope.Attributes.Pairs;
        writer.Byte(attributes.Count > 0 ? VersionWithAttributes : Version);
        writer.Text(envelope.Sender);
        writer.Int64(envelope.ArrivalMicros);
        writer.Int64(envelope.ContentSize);
        writer.Text(envelope.EnvelopeId);
        writer.Byte((byte)envelope.Return);
        writer.Byte((byte)envelope.Body);
        writer.Byte((byte)envelope.Origin);
        writer.UInt16((ushort)(((ushort)envelope.Flags & ~HasVerp) | (envelope.Verp.Length > 0 ? HasVerp : 0)));
        writer.Text(envelope.Client.Name);
        writer.Text(envelope.Client.Address);
        writer.UInt16((ushort)envelope.Client.Port);
        writer.Text(envelope.Client.ReverseName);
        writer.Text(envelope.Client.Helo);
        writer.Text(envelope.Client.Protocol);
        writer.Text(envelope.Entry);
        writer.Text(envelope.FullName);
        if (envelope.Verp.Length > 0)
        {
            writer.Text(envelope.Verp);
        }
        writer.Length(envelope.Recipients.Count);
        for (var i = 0; i < envelope.Recipients.Count; i++)
        {
            WriteRecipient(envelope.Recipients[i], ref writer);
        }
        if (envelope.Closes is { } closes)
        {
            writer.Length(closes.Recipients.Count);
            writer.UInt64(closes.MessageId);
            foreach (var index in closes.Recipients)
            {
                writer.Length(index);
            }
        }
        else
        {
            writer.Length(0);
        }
        if (attributes.Count > 0)
        {
            writer.Length(attributes.Count);
            foreach (var (name, value) in attributes)
            {
                writer.Text(name);
                writer.Text(value);
            }
        }
    }

    /// <summary>Reads an envelope; on anything invalid the reader has failed and null comes back.</summary>
    public static Envelope? Read(ref FieldReader reader)
    {
        var version = reader.Byte();
        if (version is not (Version or VersionWithAttributes))
        {
            reader.Fail();
            return null;
        }
        var envelope = new Envelope
        {
            Sender = reader.Text(TextLimit),
            ArrivalMicros = reader.Int64(),
            ContentSize = reader.Int64(),
            EnvelopeId = reader.Text(TextLimit),
            Return = (DsnReturn)reader.Byte(),
            Body = (BodyType)reader.Byte(),
            Origin = (MessageOrigin)reader.Byte(),
            Flags = (MessageFlags)reader.UInt16(),
            Client = new ClientInfo(reader.Text(TextLimit), reader.Text(TextLimit), reader.UInt16(), reader.Text(TextLimit), reader.Text(TextLimit), reader.Text(TextLimit)),
            Entry = reader.Text(TextLimit),
            FullName = reader.Text(TextLimit),
        };
        if (((ushort)envelope.Flags & HasVerp) != 0)
        {
            envelope.Flags &= (MessageFlags)(ushort.MaxValue - HasVerp);
            envelope.Verp = reader.Text(8);
        }
        var count = reader.Length(RecipientLimit);
        if (reader.Failed || count > reader.Remaining / 4)
        {
            reader.Fail();
            return null;
        }
        var recipients = new EnvelopeRecipient[count];
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            recipients[i] = ReadRecipient(ref reader);
        }
        envelope.Recipients = recipients;
        var closed = reader.Length(RecipientLimit);
        if (closed > 0)
        {
            var id = reader.UInt64();
            if (closed > reader.Remaining)
            {
                reader.Fail();
                return null;
            }
            var indices = new int[closed];
            for (var i = 0; i < closed; i++)
            {
                indices[i] = reader.Length(RecipientLimit);
            }
            envelope.Closes = new ClosedRecipients(id, indices);
        }
        if (version == VersionWithAttributes)
        {
            var pairs = new KeyValuePair<string, string>[reader.Length(MessageAttributes.Limit)];
            for (var i = 0; i < pairs.Length && !reader.Failed; i++)
            {
                pairs[i] = new(reader.Text(TextLimit), reader.Text(TextLimit));
            }
            envelope.Attributes = reader.Failed ? MessageAttributes.None : new(pairs);
        }
        return reader.Failed || envelope.ContentSize < 0 ? null : envelope;
    }

    /// <summary>Appends one recipient's bytes.</summary>
    public static void WriteRecipient(EnvelopeRecipient recipient, ref FieldWriter writer)
    {
        writer.Text(recipient.Address);
        writer.Text(recipient.OriginalAddress);
        writer.Text(recipient.DsnOriginalRecipient);
        writer.Byte((byte)recipient.Notify);
    }

    /// <summary>Reads one recipient.</summary>
    public static EnvelopeRecipient ReadRecipient(ref FieldReader reader) =>
        new(reader.Text(TextLimit), reader.Text(TextLimit), reader.Text(TextLimit), (DsnNotify)reader.Byte());
}
