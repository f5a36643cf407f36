using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>Writes the records of a maildrop file: envelope and recipients, content, recipients known only behind it, end.</summary>
internal sealed class MaildropWriter(Submission submission)
{
    private const int FlushAt = 64 * 1024;

    private readonly ArrayBufferWriter<byte> _records = new(FlushAt * 2);

    /// <summary>Most bytes of content in one record (line_length_limit); a longer line is several.</summary>
    public static int LineLimit(IConfig config) => (int)Math.Min(config.Get(CommonParameters.LineLengthLimit), 32 * 1024);

    /// <summary>Writes what stands in front of the content: all of the envelope that maildrop keeps, with the recipients that are known.</summary>
    public void Begin(Envelope envelope)
    {
        if (envelope.EnvelopeId.Length > 0)
        {
            Text(MaildropRecordType.Attribute, $"envelope_id={envelope.EnvelopeId}");
        }
        if (envelope.Return != DsnReturn.None)
        {
            Text(MaildropRecordType.Attribute, $"ret_flags={(int)envelope.Return}");
        }
        Text(MaildropRecordType.Attribute, (envelope.Flags & MessageFlags.RewriteLocal) != 0 ? "rewrite_context=local" : "rewrite_context=remote");
        if (envelope.FullName.Length > 0)
        {
            Text(MaildropRecordType.FullName, envelope.FullName);
        }
        Text(MaildropRecordType.Sender, AddressParts.Internal(envelope.Sender));
        if (envelope.Body != BodyType.None)
        {
            Text(MaildropRecordType.Attribute, envelope.Body == BodyType.EightBitMime ? "encoding=8bit" : "encoding=7bit");
        }
        if ((envelope.Flags & MessageFlags.SmtpUtf8) != 0)
        {
            Text(MaildropRecordType.Attribute, "smtputf8=1");
        }
        var trace = ((envelope.Flags & MessageFlags.VerifyOnly) != 0 ? 512 : 0) + ((envelope.Flags & MessageFlags.ReportDeliveries) != 0 ? 1024 : 0);
        if (trace != 0)
        {
            Text(MaildropRecordType.Attribute, string.Create(CultureInfo.InvariantCulture, $"trace_flags={trace}"));
        }
        if (envelope.Verp.Length > 0)
        {
            Text(MaildropRecordType.Verp, envelope.Verp);
        }
        Recipients(envelope.Recipients);
        Text(MaildropRecordType.ContentStart, "");
    }

    /// <summary>Writes a line of content, or with <see cref="MaildropRecordType.LinePart"/> the beginning or middle of one.</summary>
    public void Content(MaildropRecordType type, ReadOnlySpan<byte> line) => Record(type, line);

    /// <summary>Writes a line of content.</summary>
    public void Content(MaildropRecordType type, string line) => Text(type, line);

    /// <summary>Writes what stands behind the content.</summary>
    public void End(IEnumerable<EnvelopeRecipient> recipients)
    {
        Text(MaildropRecordType.ContentEnd, "");
        Recipients(recipients);
        Text(MaildropRecordType.End, "");
        Flush();
    }

    private void Recipients(IEnumerable<EnvelopeRecipient> recipients)
    {
        foreach (var recipient in recipients)
        {
            if (recipient.Notify != DsnNotify.None)
            {
                Text(MaildropRecordType.Attribute, $"notify_flags={(int)recipient.Notify}");
            }
            if (recipient.DsnOriginalRecipient.Length > 0)
            {
                Text(MaildropRecordType.Attribute, $"dsn_orig_rcpt={recipient.DsnOriginalRecipient}");
            }
            Text(MaildropRecordType.Recipient, AddressParts.Internal(recipient.Address));
        }
    }

    private void Text(MaildropRecordType type, string text) => Record(type, Encoding.UTF8.GetBytes(text));

    private void Record(MaildropRecordType type, ReadOnlySpan<byte> data)
    {
        MaildropRecord.Write(type, data, _records);
        if (_records.WrittenCount >= FlushAt)
        {
            Flush();
        }
    }

    private void Flush()
    {
        submission.Write(_records.WrittenSpan);
        _records.ResetWrittenCount();
    }
}
