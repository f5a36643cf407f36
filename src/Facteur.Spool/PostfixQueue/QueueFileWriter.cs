using System.Buffers;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Spool.PostfixQueue;

/// <summary>
/// Writes the records of a Postfix queue file as cleanup(8) does. What was written lies in <see cref="Output"/>, from which the caller takes it as
/// it goes; the size record at the front is of fixed width and written again at the end, when its numbers are known.
/// </summary>
public sealed class QueueFileWriter
{
    /// <summary>Postfix: line_length_limit; longer lines are several records.</summary>
    private const int LineLimit = 2048;

    private readonly byte[] _line = new byte[LineLimit];
    private readonly List<long> _places = [];
    private int _lineLength;
    private long _taken;
    private long _contentStart;
    private long _contentEnd;
    private DsnNotify _notify;
    private bool _smtputf8;

    /// <summary>Written and not yet taken.</summary>
    public ArrayBufferWriter<byte> Output { get; } = new(64 << 10);

    /// <summary>Where the content begins, when <see cref="Begin"/> has written all before it: what a message takes in Postfix's queue beside its content.</summary>
    public long ContentStart => _contentStart;

    /// <summary>Where each recipient's record is.</summary>
    public IReadOnlyList<long> Places => _places;

    private long Position => _taken + Output.WrittenCount;

    /// <summary>The caller has taken the output.</summary>
    public void Taken()
    {
        _taken += Output.WrittenCount;
        Output.ResetWrittenCount();
    }

    /// <summary>Writes all up to the content.</summary>
    /// <param name="envelope">The envelope.</param>
    /// <param name="queueId">The file's name.</param>
    /// <param name="isDone">Says of each recipient whether it needs no further delivery.</param>
    /// <param name="warnSeconds">When the sender is to be warned of the delay, 0 when that was done; null for never.</param>
    /// <param name="isTraced">The report that sendmail -v asks for is written, of the first attempt: it is not asked for again.</param>
    public void Begin(Envelope envelope, string queueId, Func<int, bool> isDone, long? warnSeconds, bool isTraced = false)
    {
        _places.Clear();
        (_taken, _lineLength, _contentStart, _contentEnd, _notify) = (0, 0, 0, 0, DsnNotify.None);
        _smtputf8 = (envelope.Flags & MessageFlags.SmtpUtf8) != 0;
        Output.ResetWrittenCount();
        Output.Write(SizeRecord());
        var seconds = envelope.ArrivalMicros / 1_000_000;
        Put('T', Invariant($"{seconds} {envelope.ArrivalMicros % 1_000_000}"));
        Attribute(MessageAttributes.CreateTime, Invariant($"{envelope.QueuedMicros / 1_000_000}"));
        var client = envelope.Client;
        var isRemote = envelope.Origin == MessageOrigin.Smtpd && client.Address.Length > 0;
        var said = envelope.Attributes;
        Attribute(MessageAttributes.LogIdent, said.Value(MessageAttributes.LogIdent, isRemote ? queueId : ""));
        Attribute("rewrite_context", (envelope.Flags & MessageFlags.RewriteLocal) != 0 ? "local" : "remote");
        foreach (var name in MessageAttributes.OfLogin)
        {
            Attribute(name, said.Value(name));
        }
        Attribute("envelope_id", envelope.EnvelopeId);
        Attribute("ret_flags", envelope.Return == DsnReturn.None ? "" : Invariant($"{(int)envelope.Return}"));
        if (envelope.FullName.Length > 0)
        {
            Put('F', envelope.FullName);
        }
        Put('S', AddressParts.Internal(envelope.Sender));
        Attribute("encoding", envelope.Body switch { BodyType.EightBitMime => "8bit", BodyType.SevenBit => "7bit", _ => "" });
        var own = isRemote ? client : new ClientInfo("", "", 0, "", "", "");
        var port = own.Port == 0 ? "" : Invariant($"{own.Port}");
        // Postfix: with log_ what an earlier hop said by XFORWARD, else the same.
        Attribute(MessageAttributes.LogClientName, said.Value(MessageAttributes.LogClientName, own.Name));
        Attribute(MessageAttributes.LogClientAddress, said.Value(MessageAttributes.LogClientAddress, own.Address));
        Attribute(MessageAttributes.LogClientPort, said.Value(MessageAttributes.LogClientPort, port));
        Attribute("log_message_origin", isRemote ? $"{client.Name}[{client.Address}]" : "");
        Attribute(MessageAttributes.LogHeloName, said.Value(MessageAttributes.LogHeloName, own.Helo));
        Attribute(MessageAttributes.LogProtocolName, said.Value(MessageAttributes.LogProtocolName, own.Protocol));
        if (isRemote)
        {
            Attribute("client_name", client.Name);
            Attribute("reverse_client_name", client.ReverseName);
            Attribute("client_address", client.Address);
            Attribute("client_port", port);
            Attribute("helo_name", client.Helo);
            Attribute("protocol_name", client.Protocol);
            // AF_INET and AF_INET6 as numbers.
            Attribute("client_address_type", client.Address.Contains(':', StringComparison.Ordinal) ? "10" : "2");
        }
        if (warnSeconds is { } warn)
        {
            Put('W', Invariant($"{warn,15}"));
        }
        if (envelope.Verp.Length > 0)
        {
            Put('V', envelope.Verp);
        }
        var trace = ((envelope.Flags & MessageFlags.Probe) != 0 ? 256 : 0) | ((envelope.Flags & MessageFlags.VerifyOnly) != 0 ? 512 : 0) | ((envelope.Flags & MessageFlags.ReportDeliveries) != 0 && !isTraced ? 1024 : 0);
        Attribute("trace_flags", trace == 0 ? "" : Invariant($"{trace}"));
        if (envelope.ContentFilter.Length > 0)
        {
            Put('L', envelope.ContentFilter);
        }
        if (envelope.Redirect.Length > 0)
        {
            Put('>', envelope.Redirect);
        }
        for (var i = 0; i < envelope.Recipients.Count; i++)
        {
            // Postfix knows of an alias by its trace file alone.
            Recipient(envelope.Recipients[i], isDone(i) || envelope.Recipients[i].IsExpanded);
        }
        Put('M', "");
        _contentStart = Position;
    }

    /// <summary>Writes content with LF line ends.</summary>
    public void Content(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            var end = content.IndexOf((byte)'\n');
            var part = end < 0 ? content : content[..end];
            if (part.Length > LineLimit - _lineLength)
            {
                var taken = LineLimit - _lineLength;
                part[..taken].CopyTo(_line.AsSpan(_lineLength));
                Put('L', _line);
                _lineLength = 0;
                content = content[taken..];
                continue;
            }
            part.CopyTo(_line.AsSpan(_lineLength));
            _lineLength += part.Length;
            if (end < 0)
            {
                return;
            }
            Put('N', _line.AsSpan(0, _lineLength));
            _lineLength = 0;
            content = content[(end + 1)..];
        }
    }

    /// <summary>Writes what follows the content.</summary>
    /// <returns>The size record, which belongs at the beginning of the file.</returns>
    public byte[] End()
    {
        if (_lineLength > 0)
        {
            Put('N', _line.AsSpan(0, _lineLength));
        }
        _contentEnd = Position;
        Put('X', "");
        Put('E', "");
        return SizeRecord();
    }

    // Content's bytes and offset, recipients, hints for qmgr (all NOTIFY together, shifted by one), content's bytes again, SMTPUTF8.
    private byte[] SizeRecord()
    {
        var size = _contentEnd - _contentStart;
        var record = new ArrayBufferWriter<byte>(128);
        var text = Invariant($"{size,15} {_contentStart,15} {_places.Count,15} {(int)_notify << 1,15} {size,15} {(_smtputf8 ? 1 : 0),15}");
        MaildropRecord.Write((MaildropRecordType)'C', Encoding.Latin1.GetBytes(text), record);
        return record.WrittenSpan.ToArray();
    }

    private void Recipient(EnvelopeRecipient recipient, bool isDone)
    {
        recipient = recipient with { Notify = recipient.Notify & ~DsnNotify.Expanded };
        Attribute("notify_flags", recipient.Notify == DsnNotify.None ? "" : Invariant($"{(int)recipient.Notify}"));
        Attribute("dsn_orig_rcpt", recipient.DsnOriginalRecipient);
        Put('O', AddressParts.Internal(recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address));
        _places.Add(Position);
        _notify |= recipient.Notify;
        Put(isDone ? 'D' : 'R', AddressParts.Internal(recipient.Address));
    }

    private void Attribute(string name, string value)
    {
        if (value.Length > 0)
        {
            Put('A', $"{name}={value}");
        }
    }

    private void Put(char type, string text) => Put(type, Encoding.UTF8.GetBytes(text));

    private void Put(char type, ReadOnlySpan<byte> data) => MaildropRecord.Write((MaildropRecordType)type, data, Output);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
