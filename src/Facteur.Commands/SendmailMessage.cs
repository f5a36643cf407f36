using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>Turns options and standard input into the records of a maildrop file.</summary>
internal sealed class SendmailMessage(Submission submission, SendmailOptions options, int lineLimit, string fixLineEndings)
{
    private const int ReadSize = 64 * 1024;

    private readonly MaildropWriter _writer = new(submission);
    private bool _first = true;
    private bool _skipMailbox = true;
    private bool _fix = fixLineEndings == "always";

    /// <summary>Writes what stands in front of the content.</summary>
    public void Envelope(string sender, string fullName, string verp, IEnumerable<string> recipients) => _writer.Begin(new Envelope
    {
        Sender = sender,
        FullName = fullName,
        EnvelopeId = options.EnvelopeId,
        Verp = verp,
        Return = options.Return,
        Body = options.Body,
        Flags = options.Flags | (options.IsGateway ? 0 : MessageFlags.RewriteLocal),
        Recipients = [.. recipients.Select(Recipient)],
    });

    /// <summary>Writes the message that -bv sends: it is never delivered, and its header says whom it is about.</summary>
    public void Probe(string sender, IReadOnlyList<string> recipients)
    {
        if (sender.Length > 0)
        {
            _writer.Content(MaildropRecordType.Line, $"From: {sender}");
        }
        _writer.Content(MaildropRecordType.Line, "Subject: probe");
        _writer.Content(MaildropRecordType.LinePart, "To:");
        for (var i = 0; i < recipients.Count; i++)
        {
            _writer.Content(MaildropRecordType.Line, $"\t{recipients[i]}{(i + 1 < recipients.Count ? "," : "")}");
        }
    }

    /// <summary>Copies standard input up to its end, or to a line with only a dot unless -i.</summary>
    /// <param name="input">Standard input.</param>
    /// <param name="headers">Gets the header lines, or null.</param>
    public void Content(Stream input, SendmailHeaders? headers)
    {
        var buffer = new byte[ReadSize + lineLimit];
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
                        Line(buffer.AsSpan(0, end), atLineStart, headers, ended: false);
                    }
                    return;
                }
                end += count;
            }
        }
    }

    /// <summary>Writes what stands behind the content.</summary>
    public void End(IEnumerable<string> extracted) => _writer.End(extracted.Select(Recipient));

    /// <returns>False for the line that ends the message.</returns>
    private bool Line(ReadOnlySpan<byte> line, bool whole, SendmailHeaders? headers, bool ended = true)
    {
        if (_first && fixLineEndings == "strict")
        {
            _fix = line is [.., (byte)'\r'];
        }
        _first = false;
        // Postfix: a text that stops in the middle of a line has its last bytes as they are.
        if (ended && _fix && line is [.., (byte)'\r'])
        {
            line = line[..^1];
        }
        if (whole && !options.IgnoreDots && line is [(byte)'.'])
        {
            return false;
        }
        // Mailbox separators in front of the headers are not the message's.
        if (whole && ended && _skipMailbox && line.TrimStart((byte)'>').StartsWith("From "u8))
        {
            return true;
        }
        _skipMailbox = false;
        if (whole)
        {
            headers?.Line(line);
        }
        else
        {
            headers?.More(line);
        }
        _writer.Content(MaildropRecordType.Line, line);
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
        else
        {
            headers?.More(part);
        }
        _writer.Content(MaildropRecordType.LinePart, part);
    }

    private EnvelopeRecipient Recipient(string address) => new(address, Notify: options.Notify);
}
