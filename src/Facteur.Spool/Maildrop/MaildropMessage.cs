using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Maildrop;

/// <summary>
/// Checks the records of a maildrop file in their order and keeps its envelope. The bytes come from local users: nothing throws, nothing grows
/// without bound, and only what a user may say is taken; a record of another type (routing, filters, redirection) makes the file invalid.
/// </summary>
public sealed class MaildropMessage
{
    /// <summary>The attribute that names the user of a file which the submission service wrote; counts only in files of the mail system's own.</summary>
    public const string SubmitUid = "submit_uid";

    private static readonly UTF8Encoding StrictUtf8 = new(false, true);
    private readonly List<EnvelopeRecipient> _recipients = [];
    private Section _section;
    private DsnNotify _notify;
    private string _originalRecipient = "";
    private bool _hasSender;

    private enum Section : byte
    {
        Envelope,
        Content,
        Extracted,
        Ended,
    }

    /// <summary>When it was submitted, microseconds since 1970; 0 when no record says so.</summary>
    public long SubmittedMicros { get; private set; }

    /// <summary>The sender; "" is the null sender.</summary>
    public string Sender { get; private set; } = "";

    /// <summary>The sender's full name, or "".</summary>
    public string FullName { get; private set; } = "";

    /// <summary>RET.</summary>
    public DsnReturn Return { get; private set; }

    /// <summary>ENVID, or "".</summary>
    public string EnvelopeId { get; private set; } = "";

    /// <summary>The delimiters of VERP, or ""; cleanup looks at what they are.</summary>
    public string Verp { get; private set; } = "";

    /// <summary>BODY.</summary>
    public BodyType Body { get; private set; }

    /// <summary>SMTPUTF8, what sendmail -v and -bv ask for, and whether headers are rewritten as a local user's: without a word of it they are.</summary>
    public MessageFlags Flags { get; private set; } = MessageFlags.RewriteLocal;

    /// <summary>The user the submission service recorded, or null.</summary>
    public uint? Submitter { get; private set; }

    /// <summary>Recipients in their order; complete at the end.</summary>
    public IReadOnlyList<EnvelopeRecipient> Recipients => _recipients;

    /// <summary>The envelope is over and content comes.</summary>
    public bool InContent => _section == Section.Content;

    /// <summary>The end was seen.</summary>
    public bool Ended => _section == Section.Ended;

    /// <summary>Takes the next record.</summary>
    /// <returns>What is wrong with it, or null.</returns>
    public string? Accept(in MaildropRecord record) => _section switch
    {
        Section.Envelope => Envelope(record),
        Section.Content => Content(record),
        Section.Extracted => Extracted(record),
        _ => "record behind the end",
    };

    private string? Envelope(in MaildropRecord record)
    {
        switch (record.Type)
        {
            case MaildropRecordType.Time:
                SubmittedMicros = Time(record.Data);
                return null;
            case MaildropRecordType.FullName:
                return Text(record, out var name) is { } badName ? badName : Set(() => FullName = Name(name));
            case MaildropRecordType.Sender:
                if (_hasSender)
                {
                    return "more than one sender";
                }
                _hasSender = true;
                return Address(record, out var sender) is { } badSender ? badSender : Set(() => Sender = sender);
            case MaildropRecordType.Verp:
                return Text(record, out var verp) ?? (verp.Length > 2 ? "bad VERP delimiters" : Set(() => Verp = verp));
            case MaildropRecordType.Recipient:
                return Recipient(record);
            case MaildropRecordType.Attribute:
                return Attribute(record);
            case MaildropRecordType.ContentStart:
                _section = Section.Content;
                return _hasSender ? null : "no sender";
            default:
                return Unexpected(record);
        }
    }

    private string? Content(in MaildropRecord record)
    {
        if (record.Type == MaildropRecordType.ContentEnd)
        {
            _section = Section.Extracted;
            return null;
        }
        return record.Type is MaildropRecordType.Line or MaildropRecordType.LinePart ? null : Unexpected(record);
    }

    private string? Extracted(in MaildropRecord record)
    {
        switch (record.Type)
        {
            case MaildropRecordType.Recipient:
                return Recipient(record);
            case MaildropRecordType.Attribute:
                return Attribute(record);
            case MaildropRecordType.End:
                _section = Section.Ended;
                return null;
            default:
                return Unexpected(record);
        }
    }

    private string? Recipient(in MaildropRecord record)
    {
        if (_recipients.Count >= EnvelopeCodec.RecipientLimit)
        {
            return "too many recipients";
        }
        if (Address(record, out var address) is { } bad)
        {
            return bad;
        }
        _recipients.Add(new EnvelopeRecipient(address, "", _originalRecipient, _notify));
        _notify = DsnNotify.None;
        _originalRecipient = "";
        return null;
    }

    private string? Attribute(in MaildropRecord record)
    {
        if (Text(record, out var text) is { } bad)
        {
            return bad;
        }
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var (name, value) = equals < 0 ? (text, "") : (text[..equals], text[(equals + 1)..]);
        var isNumber = uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        switch (name)
        {
            case "notify_flags" when isNumber && number <= 15:
                _notify = (DsnNotify)number;
                return null;
            case "ret_flags" when isNumber && number <= 2:
                Return = (DsnReturn)number;
                return null;
            case "trace_flags" when isNumber:
                // Postfix's numbers: 512 for -bv, 1024 for -v.
                Flags |= ((number & 512) != 0 ? MessageFlags.VerifyOnly : 0) | ((number & 1024) != 0 ? MessageFlags.ReportDeliveries : 0);
                return null;
            case "smtputf8" when isNumber:
                Flags |= number != 0 ? MessageFlags.SmtpUtf8 : 0;
                return null;
            case SubmitUid when isNumber:
                Submitter = number;
                return null;
            case "notify_flags" or "ret_flags" or "trace_flags" or "smtputf8" or SubmitUid:
                return $"bad value of {name}";
            case "rewrite_context":
                Flags = value == "local" ? Flags | MessageFlags.RewriteLocal : Flags & ~MessageFlags.RewriteLocal;
                return null;
            case "envelope_id":
                EnvelopeId = value;
                return null;
            case "dsn_orig_rcpt":
                _originalRecipient = value;
                return null;
            case "encoding":
                Body = value switch { "8bit" => BodyType.EightBitMime, "7bit" => BodyType.SevenBit, _ => BodyType.None };
                return null;
            default:
                // Others, such as create_time, say nothing that a local submission is not anyway.
                return null;
        }
    }

    /// <summary>Queue files hold addresses without quotes (Postfix: internal form); here they are in external form.</summary>
    internal static string? Address(in MaildropRecord record, out string address)
    {
        var wrong = Text(record, out address) ?? (record.Data.Length > Mail.Envelopes.Envelope.AddressLimit ? "address too long" : null);
        var (local, domain) = AddressParts.Split(address);
        if (wrong is null && domain.Length > 0 && local.Length == 0)
        {
            // RFC 5321 4.1.2: there is no other way to write an empty local part.
            address = $"\"\"@{domain}";
        }
        else if (wrong is null && local.Length > 0 && !AddressParts.IsDotString(local))
        {
            address = address.Contains('@') ? $"{AddressParts.Quote(local)}@{domain}" : AddressParts.Quote(local);
        }
        return wrong;
    }

    internal static string? Text(in MaildropRecord record, out string text)
    {
        text = "";
        if (record.Data.Length > 4096)
        {
            return "text too long";
        }
        try
        {
            text = StrictUtf8.GetString(record.Data);
        }
        catch (DecoderFallbackException)
        {
            return "text is not UTF-8";
        }
        return text.AsSpan().ContainsAny('\0', '\n', '\r') ? "control character in text" : null;
    }

    /// <summary>A full name as it is kept.</summary>
    internal static string Name(string text) => text.Length <= Mail.Envelopes.Envelope.FullNameLimit ? text
        : text[..(Mail.Envelopes.Envelope.FullNameLimit - (char.IsHighSurrogate(text[Mail.Envelopes.Envelope.FullNameLimit - 1]) ? 1 : 0))];

    // "seconds microseconds", as MaildropIntake writes it; Postfix's older files have seconds alone.
    internal static long Time(ReadOnlySpan<byte> data)
    {
        data = data.Trim((byte)' ');
        if (!Utf8Parser.TryParse(data, out uint seconds, out var used))
        {
            return 0;
        }
        _ = Utf8Parser.TryParse(data[used..].TrimStart((byte)' '), out uint micros, out _);
        return seconds * 1_000_000L + Math.Min(micros, 999_999);
    }

    private static string? Set(Action set)
    {
        set();
        return null;
    }

    private static string Unexpected(in MaildropRecord record) => $"unexpected record type: {(byte)record.Type}";
}
