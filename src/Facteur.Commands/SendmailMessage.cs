using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>Turns options and standard input into the records of a maildrop file.</summary>
internal sealed class SendmailMessage(Submission submission, SendmailOptions options, int lineLimit, string fixLineEndings)
{
    private const int FlushAt = 64 * 1024;

    private readonly ArrayBufferWriter<byte> _records = new(FlushAt * 2);
    private bool _first = true;
    private bool _skipMailbox = true;
    private bool _fix = fixLineEndings == "always";

    /// <summary>Writes what stands in front of the content.</summary>
    public void Envelope(string sender, string fullName, IEnumerable<string> recipients)
    {
        if (options.EnvelopeId.Length > 0)
        {
            Text(MaildropRecordType.Attribute, $"envelope_id={options.EnvelopeId}");
        }
        if (options.Return != DsnReturn.None)
        {
            Text(MaildropRecordType.Attribute, $"ret_flags={(int)options.Return}");
        }
        Text(MaildropRecordType.Attribute, "rewrite_context=local");
        if (fullName.Length > 0)
        {
            Text(MaildropRecordType.FullName, fullName);
        }
        Text(MaildropRecordType.Sender, Internal(sender));
        if (options.Body != BodyType.None)
        {
            Text(MaildropRecordType.Attribute, options.Body == BodyType.EightBitMime ? "encoding=8bit" : "encoding=7bit");
        }
        if ((options.Flags & MessageFlags.SmtpUtf8) != 0)
        {
            Text(MaildropRecordType.Attribute, "smtputf8=1");
        }
        var trace = ((options.Flags & MessageFlags.VerifyOnly) != 0 ? 512 : 0) + ((options.Flags & MessageFlags.ReportDeliveries) != 0 ? 1024 : 0);
        if (trace != 0)
        {
            Text(MaildropRecordType.Attribute, string.Create(CultureInfo.InvariantCulture, $"trace_flags={trace}"));
        }
        Recipients(recipients);
        Text(MaildropRecordType.ContentStart, "");
    }

    /// <summary>Writes recipients.</summary>
    public void Recipients(IEnumerable<string> recipients)
    {
        foreach (var recipient in recipients)
        {
            if (options.Notify != DsnNotify.None)
            {
                Text(MaildropRecordType.Attribute, $"notify_flags={(int)options.Notify}");
            }
            Text(MaildropRecordType.Recipient, Internal(recipient));
        }
    }

    /// <summary>Writes the message that -bv sends: it is never delivered, and its header says whom it is about.</summary>
    public void Probe(string sender, IReadOnlyList<string> recipients)
    {
        if (sender.Length > 0)
        {
            Text(MaildropRecordType.Line, $"From: {sender}");
        }
        Text(MaildropRecordType.Line, "Subject: probe");
        Text(MaildropRecordType.LinePart, "To:");
        for (var i = 0; i < recipients.Count; i++)
        {
            Text(MaildropRecordType.Line, $"{(i == 0 ? " " : "\t")}{recipients[i]}{(i + 1 < recipients.Count ? "," : "")}");
        }
    }

    /// <summary>Copies standard input up to its end, or to a line with only a dot unless -i.</summary>
    /// <param name="input">Standard input.</param>
    /// <param name="headers">Gets the header lines, or null.</param>
    public void Content(Stream input, SendmailHeaders? headers)
    {
        var buffer = new byte[FlushAt + lineLimit];
        var (start, end) = (0, 0);
        var atLineStart = true;
        while (submission.Error is null)
        {
            var lineEnd = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (lineEnd >= 0 && lineEnd <= lineLimit)
            {
                if (!Line(buffer.AsSpan(start, lineEnd), atLineStart, headers))
                {
                    return;
                }
                start += lineEnd + 1;
                atLineStart = true;
            }
            else if (end - start > lineLimit)
            {
                // One byte stays, so that a CR before the LF is still seen with it.
                Part(buffer.AsSpan(start, lineLimit - 1), atLineStart, headers);
                start += lineLimit - 1;
                atLineStart = false;
            }
            else
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                (start, end) = (0, end - start);
                var count = input.Read(buffer.AsSpan(end));
                if (count == 0)
                {
                    if (end > 0 || !atLineStart)
                    {
                        Line(buffer.AsSpan(0, end), atLineStart, headers);
                    }
                    return;
                }
                end += count;
            }
        }
    }

    /// <summary>Writes what stands behind the content.</summary>
    public void End(IEnumerable<string> extracted)
    {
        Text(MaildropRecordType.ContentEnd, "");
        Recipients(extracted);
        Text(MaildropRecordType.End, "");
        Flush();
    }

    /// <returns>False for the line that ends the message.</returns>
    private bool Line(ReadOnlySpan<byte> line, bool whole, SendmailHeaders? headers)
    {
        if (_first && fixLineEndings == "strict")
        {
            _fix = line is [.., (byte)'\r'];
        }
        _first = false;
        if (_fix && line is [.., (byte)'\r'])
        {
            line = line[..^1];
        }
        if (whole && !options.IgnoreDots && line is [(byte)'.'])
        {
            return false;
        }
        // Mailbox separators in front of the headers are not the message's.
        if (whole && _skipMailbox && (line.StartsWith("From "u8) || line.StartsWith(">From "u8)))
        {
            return true;
        }
        _skipMailbox = false;
        if (whole)
        {
            headers?.Line(line);
        }
        Record(MaildropRecordType.Line, line);
        return true;
    }

    private void Part(ReadOnlySpan<byte> part, bool first, SendmailHeaders? headers)
    {
        _first = false;
        _skipMailbox = false;
        if (first)
        {
            headers?.Line(part);
        }
        Record(MaildropRecordType.LinePart, part);
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

    /// <summary>Queue files hold addresses without quotes.</summary>
    private static string Internal(string address)
    {
        var (local, domain) = AddressParts.Split(address);
        return address.Contains('@') ? $"{AddressParts.Unquote(local)}@{domain}" : AddressParts.Unquote(local);
    }
}
