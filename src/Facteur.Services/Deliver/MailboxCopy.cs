using System.Globalization;
using System.Text;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>How copying a message into a file ended.</summary>
internal enum CopyEnd : byte
{
    /// <summary>All of it was written; nothing is synced yet.</summary>
    Done,

    /// <summary>The file refused.</summary>
    WriteFailed,

    /// <summary>The content is damaged: the queue manager puts the message aside.</summary>
    Damaged,

    /// <summary>The content can't be read now.</summary>
    Unreadable,
}

/// <summary>One message for one mailbox: what stands in front of the content, and the content.</summary>
internal sealed record MailboxCopy
{
    /// <summary>The content.</summary>
    public required MessageContent Content { get; init; }

    /// <summary>Envelope sender, external form.</summary>
    public required string Sender { get; init; }

    /// <summary>X-Original-To, or "" for none.</summary>
    public required string OriginalTo { get; init; }

    /// <summary>Delivered-To, or "" for none.</summary>
    public required string DeliveredTo { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>This host's name, for names of Maildir files.</summary>
    public required string Host { get; init; }

    /// <summary>Largest file in bytes; 0 for no limit.</summary>
    public required long SizeLimit { get; init; }

    /// <summary>The detail of x.2.0 for errors of the mailbox itself: 5 in local, 4 in virtual.</summary>
    public required byte MailboxErrorClass { get; init; }

    /// <summary>The lines in front of the content.</summary>
    /// <param name="fromLine">With mbox's "From " line.</param>
    public byte[] Head(bool fromLine)
    {
        var text = new StringBuilder(256);
        if (fromLine)
        {
            // ctime(3): the day of the month is padded with a space.
            var now = Time.GetLocalNow();
            text.Append("From ").Append(Sender.Length == 0 ? "MAILER-DAEMON" : Sender)
                .Append(CultureInfo.InvariantCulture, $"  {now:ddd MMM} {now.Day,2} {now:HH:mm:ss yyyy}\n");
        }
        text.Append("Return-Path: <").Append(Sender).Append(">\n");
        if (OriginalTo.Length > 0)
        {
            text.Append("X-Original-To: ").Append(OriginalTo).Append('\n');
        }
        if (DeliveredTo.Length > 0)
        {
            text.Append("Delivered-To: ").Append(DeliveredTo).Append('\n');
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>Writes head and content.</summary>
    /// <param name="file">The file, at the place to write.</param>
    /// <param name="mbox">With "From " line, quoting and the empty line at the end.</param>
    /// <param name="errno">Why it failed.</param>
    public CopyEnd WriteTo(UnixFile file, bool mbox, out int errno)
    {
        using var output = new MailboxWriter(file);
        var quoter = mbox ? new FromQuoter() : null;
        output.Write(Head(mbox));
        Content.Rewind();
        ContentRead read;
        while ((read = Content.Read(out var piece)) == ContentRead.Data && output.Errno == 0)
        {
            if (quoter is null)
            {
                output.Write(piece.Span);
            }
            else
            {
                quoter.Write(piece.Span, output);
            }
        }
        if (quoter is not null)
        {
            quoter.End(output);
            output.Write("\n"u8);
        }
        output.Flush();
        errno = output.Errno;
        return errno != 0 ? CopyEnd.WriteFailed
            : read == ContentRead.End ? CopyEnd.Done
            : read == ContentRead.Damaged ? CopyEnd.Damaged : CopyEnd.Unreadable;
    }
}
