using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Spool.PostfixQueue;

/// <summary>A recipient of a Postfix queue file.</summary>
/// <param name="Recipient">The recipient.</param>
/// <param name="Offset">Where its record is: Postfix's logs name recipients so.</param>
/// <param name="IsDone">Delivered, bounced or canceled.</param>
public readonly record struct QueueFileRecipient(EnvelopeRecipient Recipient, long Offset, bool IsDone);

/// <summary>
/// Takes the records of a Postfix queue file in their order and keeps the envelope; docs/formats/postfix-queue.md says what each means. What would be
/// delivered otherwise than Postfix would have done it (through a filter) is refused: it stays for Postfix.
/// </summary>
public sealed class QueueFileMessage
{
    // Bits of the sixth number of the size record: SMTPUTF8 asked for, or needed by headers, sender, recipients. Others ask for what is not done here.
    private const long Smtputf8Bits = 0xF;

    // Bits of trace_flags: a probe of an address; sendmail -bv; sendmail -v.
    private const int ProbeBit = 256, VerifyBit = 512, RecordBit = 1024;

    private readonly List<QueueFileRecipient> _recipients = [];
    private readonly Dictionary<string, string> _attributes = new(StringComparer.Ordinal);
    private Section _section;
    private string? _sender;
    private string _fullName = "";
    private string? _redirect;
    private string _filter = "";
    private string _original = "";
    private string _dsnOriginal = "";
    private string _verp = "";
    private DsnNotify _notify;
    private long _arrivalMicros;
    private bool _hasSize;
    private bool _smtputf8;

    private enum Section : byte
    {
        Envelope,
        Content,
        Extracted,
        Ended,
    }

    /// <summary>The recipients, in the order of their records.</summary>
    public IReadOnlyList<QueueFileRecipient> Recipients => _recipients;

    /// <summary>The envelope is over and content comes.</summary>
    public bool InContent => _section == Section.Content;

    /// <summary>The end record was seen, and nothing is missing.</summary>
    public bool Ended => _section == Section.Ended;

    /// <summary>Bytes of the content's records: size= as Postfix would have logged it of a file that was not edited.</summary>
    public long ContentSize { get; private set; }

    /// <summary>The sender was warned of the delay.</summary>
    public bool IsWarned { get; private set; }

    /// <summary>All mail goes to another address, once.</summary>
    public bool IsRedirected => _redirect is not null;

    /// <summary>Takes the next record.</summary>
    /// <param name="record">The record.</param>
    /// <param name="offset">Where it begins.</param>
    /// <returns>What is wrong with it, or null.</returns>
    public string? Accept(in MaildropRecord record, long offset)
    {
        switch (_section, (char)record.Type)
        {
            case (Section.Envelope, 'M'):
                _section = Section.Content;
                return null;
            case (Section.Content, 'X'):
                _section = Section.Extracted;
                return null;
            case (Section.Content, 'N' or 'L'):
                ContentSize += record.Raw.Length;
                return null;
            case (Section.Extracted, 'E'):
                _section = Missing() is null ? Section.Ended : Section.Extracted;
                return Missing();
            case (Section.Envelope or Section.Extracted, _):
                return Field(record, offset);
            default:
                return Unexpected(record, offset);
        }
    }

    /// <summary>The envelope; once the end was seen.</summary>
    public Envelope Envelope()
    {
        var flags = _smtputf8 || Attribute("smtputf8") is not ("" or "0") ? MessageFlags.SmtpUtf8 : MessageFlags.None;
        var trace = Number("trace_flags");
        flags |= (trace & VerifyBit) != 0 ? MessageFlags.VerifyOnly : 0;
        flags |= (trace & RecordBit) != 0 ? MessageFlags.ReportDeliveries : 0;
        // Postfix: mail without the attribute is local.
        flags |= Attribute("rewrite_context") is "" or "local" ? MessageFlags.RewriteLocal : 0;
        var address = Client("client_address");
        var envelope = new Envelope
        {
            Sender = _sender!,
            FullName = _fullName,
            ArrivalMicros = _arrivalMicros,
            ContentSize = ContentSize,
            EnvelopeId = Attribute("envelope_id"),
            Verp = _verp,
            Return = Number("ret_flags") switch { 1 => DsnReturn.Full, 2 => DsnReturn.Headers, _ => DsnReturn.None },
            Attributes = new(MessageAttributes.OfLogin.Where(name => Attribute(name).Length > 0).Select(name => new KeyValuePair<string, string>(name, Attribute(name)))),
            Body = Attribute("encoding") switch { "8bit" => BodyType.EightBitMime, "7bit" => BodyType.SevenBit, _ => BodyType.None },
            Origin = address.Length > 0 ? MessageOrigin.Smtpd : MessageOrigin.Pickup,
            Flags = flags,
            Client = address.Length == 0 ? ClientInfo.Local : new ClientInfo(
                Client("client_name"), address, ushort.TryParse(Client("client_port"), CultureInfo.InvariantCulture, out var port) ? port : 0,
                Attribute("reverse_client_name"), Client("helo_name"), Client("protocol_name")),
            ContentFilter = _filter,
            Recipients = _redirect is null ? [.. _recipients.Select(r => r.Recipient)] : Redirected(_redirect),
        };
        if (long.TryParse(Attribute(MessageAttributes.CreateTime), NumberStyles.None, CultureInfo.InvariantCulture, out var created))
        {
            envelope.SetQueued(Math.Min(created, uint.MaxValue) * 1_000_000);
        }
        return envelope;
    }

    // Postfix: the first open recipient is replaced, the others get nothing.
    private EnvelopeRecipient[] Redirected(string redirect)
    {
        var first = _recipients.FindIndex(r => !r.IsDone);
        return first < 0 ? [] : [_recipients[first].Recipient with { Address = redirect }];
    }

    private string? Field(in MaildropRecord record, long offset)
    {
        switch ((char)record.Type)
        {
            case 'C':
                return Size(record.Data);
            case 'T':
                _arrivalMicros = _arrivalMicros == 0 ? MaildropMessage.Time(record.Data) : _arrivalMicros;
                return null;
            case 'W':
                IsWarned = record.Data.Trim((byte)' ') is [(byte)'0'];
                return null;
            case 'A':
                return Attribute(record);
            case 'S':
                var wrong = MaildropMessage.Address(record, out var sender);
                _sender ??= sender;
                return wrong;
            case 'O':
                _original = MaildropMessage.Address(record, out var original) is null ? original : Printable(record);
                return null;
            case 'R' or 'D' or '/':
                return Recipient(record, offset);
            case '>':
                return MaildropMessage.Address(record, out _redirect);
            case 'L' when !record.Data.IsEmpty:
                return MaildropMessage.Text(record, out _filter);
            case 'I' when !record.Data.IsEmpty:
                return "it is to go through a content filter";
            case 'V':
                return MaildropMessage.Text(record, out _verp) ?? (_verp.Length != 2 ? "it asks for VERP in a way that makes no sense" : null);
            case 'F':
                // One that is not UTF-8 is not worth a message.
                _fullName = MaildropMessage.Text(record, out var name) is null ? MaildropMessage.Name(name) : "";
                return null;
            case 'I' or 'L' or 'K' or 'P' or 'r' or 'e' or 'f' or 'd' or 'm':
                // What is killed, or was for cleanup, or is for people only.
                return null;
            default:
                return Unexpected(record, offset);
        }
    }

    private string? Recipient(in MaildropRecord record, long offset)
    {
        if (_recipients.Count >= EnvelopeCodec.RecipientLimit)
        {
            return "too many recipients";
        }
        var wrong = MaildropMessage.Address(record, out var address);
        _recipients.Add(new QueueFileRecipient(new EnvelopeRecipient(address, _original, _dsnOriginal, _notify), offset, (char)record.Type != 'R'));
        (_original, _dsnOriginal, _notify) = ("", "", DsnNotify.None);
        return wrong;
    }

    private string? Attribute(in MaildropRecord record)
    {
        // A client's name or login that is not UTF-8 is not worth a message.
        var text = MaildropMessage.Text(record, out var plain) is null ? plain : Printable(record);
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var (name, value) = equals < 0 ? (text.Trim(), "") : (text[..equals].Trim(), text[(equals + 1)..].Trim());
        switch (name)
        {
            case "dsn_orig_rcpt":
                _dsnOriginal = value;
                return null;
            case "notify_flags":
                _notify = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var notify) && notify is > 0 and <= 15 ? (DsnNotify)notify : DsnNotify.None;
                return null;
            case "trace_flags" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var trace) && (trace & ProbeBit) != 0:
                return "it is a probe of an address";
            default:
                // Of those used here; the later one wins, as in Postfix the extracted segment over the envelope.
                if (_attributes.Count < 64 || _attributes.ContainsKey(name))
                {
                    _attributes[name] = value;
                }
                return null;
        }
    }

    private string? Size(ReadOnlySpan<byte> data)
    {
        _hasSize = true;
        for (var field = 1; !(data = data.TrimStart((byte)' ')).IsEmpty; field++)
        {
            if (!Utf8Parser.TryParse(data, out long number, out var used) || number < 0)
            {
                return "invalid size record";
            }
            data = data[used..];
            if (field == 6)
            {
                _smtputf8 = (number & Smtputf8Bits) != 0;
                if ((number & ~Smtputf8Bits) != 0)
                {
                    return "it asks for a way of sending that is not available (REQUIRETLS)";
                }
            }
        }
        return null;
    }

    private string? Missing() =>
        !_hasSize ? "no size record" : _arrivalMicros == 0 ? "no arrival time record" : _sender is null ? "no sender record" : null;

    private static string Printable(in MaildropRecord record) =>
        string.Concat(Encoding.UTF8.GetString(record.Data[..Math.Min(record.Data.Length, Mail.Envelopes.Envelope.AddressLimit)]).Select(c => char.IsControl(c) ? '?' : c));

    private string Attribute(string name) => _attributes.GetValueOrDefault(name, "");

    // Postfix: what a proxy in front said of the client (log_...) goes before what connected.
    private string Client(string name) => _attributes.GetValueOrDefault("log_" + name) ?? Attribute(name);

    private int Number(string name) => int.TryParse(Attribute(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static string Unexpected(in MaildropRecord record, long offset) =>
        string.Create(CultureInfo.InvariantCulture, $"unexpected record type {(byte)record.Type} at {offset}");
}
