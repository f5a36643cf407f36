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

/// <summary>One message on its way into one mailbox: what stands in front of the content, and the content.</summary>
/// <param name="Job">The delivery.</param>
/// <param name="Content">The content.</param>
/// <param name="Time">The clock.</param>
internal sealed record MailboxCopy(MailboxJob Job, IContentSource Content, TimeProvider Time)
{
    /// <summary>The lines in front of the content.</summary>
    /// <param name="fromLine">With mbox's "From " line.</param>
    /// <param name="sender">Envelope sender, external form.</param>
    /// <param name="originalTo">X-Original-To, or "" for none.</param>
    /// <param name="deliveredTo">Delivered-To, or "" for none.</param>
    /// <param name="time">The clock.</param>
    public static byte[] Head(bool fromLine, string sender, string originalTo, string deliveredTo, TimeProvider time)
    {
        var text = new StringBuilder(256);
        if (fromLine)
        {
            // ctime(3): the day of the month is padded with a space.
            var now = time.GetLocalNow();
            text.Append("From ").Append(sender.Length == 0 ? "MAILER-DAEMON" : sender)
                .Append(CultureInfo.InvariantCulture, $"  {now:ddd MMM} {now.Day,2} {now:HH:mm:ss yyyy}\n");
        }
        text.Append("Return-Path: <").Append(sender).Append(">\n");
        if (originalTo.Length > 0)
        {
            text.Append("X-Original-To: ").Append(originalTo).Append('\n');
        }
        if (deliveredTo.Length > 0)
        {
            text.Append("Delivered-To: ").Append(deliveredTo).Append('\n');
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
        output.Write(Head(mbox, Job.Sender, Job.OriginalTo, Job.DeliveredTo, Time));
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
