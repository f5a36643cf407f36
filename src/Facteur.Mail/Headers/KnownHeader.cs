using System.Text;

namespace Facteur.Mail.Headers;

/// <summary>The headers whose meaning a mail system acts on.</summary>
public enum KnownHeader : byte
{
    /// <summary>Any other.</summary>
    None = 0,

    /// <summary>Apparently-To.</summary>
    ApparentlyTo,

    /// <summary>Bcc.</summary>
    Bcc,

    /// <summary>Cc.</summary>
    Cc,

    /// <summary>Date.</summary>
    Date,

    /// <summary>Disposition-Notification-To.</summary>
    DispositionNotificationTo,

    /// <summary>Errors-To.</summary>
    ErrorsTo,

    /// <summary>From.</summary>
    From,

    /// <summary>Mail-Followup-To.</summary>
    MailFollowupTo,

    /// <summary>Message-Id.</summary>
    MessageId,

    /// <summary>Received.</summary>
    Received,

    /// <summary>Reply-To.</summary>
    ReplyTo,

    /// <summary>Resent-Bcc.</summary>
    ResentBcc,

    /// <summary>Resent-Cc.</summary>
    ResentCc,

    /// <summary>Resent-Date.</summary>
    ResentDate,

    /// <summary>Resent-From.</summary>
    ResentFrom,

    /// <summary>Resent-Message-Id.</summary>
    ResentMessageId,

    /// <summary>Resent-Reply-To.</summary>
    ResentReplyTo,

    /// <summary>Resent-Sender.</summary>
    ResentSender,

    /// <summary>Resent-To.</summary>
    ResentTo,

    /// <summary>Return-Path.</summary>
    ReturnPath,

    /// <summary>Return-Receipt-To.</summary>
    ReturnReceiptTo,

    /// <summary>Sender.</summary>
    Sender,

    /// <summary>To.</summary>
    To,
}

/// <summary>What a known header holds.</summary>
[Flags]
public enum HeaderTraits : byte
{
    /// <summary>No addresses.</summary>
    None = 0,

    /// <summary>Addresses of senders.</summary>
    Sender = 1,

    /// <summary>Addresses of recipients.</summary>
    Recipient = 2,

    /// <summary>Recipients that "sendmail -t" delivers to.</summary>
    Extract = 4,

    /// <summary>A Resent- header.</summary>
    Resent = 8,
}

/// <summary>Finds known headers by their bytes.</summary>
public static class KnownHeaders
{
    private static readonly (KnownHeader Id, HeaderTraits Traits, string Name)[] Rows =
    [
        (KnownHeader.ApparentlyTo, HeaderTraits.Recipient, "Apparently-To"),
        (KnownHeader.Bcc, HeaderTraits.Recipient | HeaderTraits.Extract, "Bcc"),
        (KnownHeader.Cc, HeaderTraits.Recipient | HeaderTraits.Extract, "Cc"),
        (KnownHeader.Date, HeaderTraits.None, "Date"),
        (KnownHeader.DispositionNotificationTo, HeaderTraits.Sender, "Disposition-Notification-To"),
        (KnownHeader.ErrorsTo, HeaderTraits.Sender, "Errors-To"),
        (KnownHeader.From, HeaderTraits.Sender, "From"),
        (KnownHeader.MailFollowupTo, HeaderTraits.Sender, "Mail-Followup-To"),
        (KnownHeader.MessageId, HeaderTraits.None, "Message-Id"),
        (KnownHeader.Received, HeaderTraits.None, "Received"),
        (KnownHeader.ReplyTo, HeaderTraits.Sender, "Reply-To"),
        (KnownHeader.ResentBcc, HeaderTraits.Recipient | HeaderTraits.Extract | HeaderTraits.Resent, "Resent-Bcc"),
        (KnownHeader.ResentCc, HeaderTraits.Recipient | HeaderTraits.Extract | HeaderTraits.Resent, "Resent-Cc"),
        (KnownHeader.ResentDate, HeaderTraits.Resent, "Resent-Date"),
        (KnownHeader.ResentFrom, HeaderTraits.Sender | HeaderTraits.Resent, "Resent-From"),
        (KnownHeader.ResentMessageId, HeaderTraits.Resent, "Resent-Message-Id"),
        // Postfix: a recipient's header, though its twin Reply-To is a sender's.
        (KnownHeader.ResentReplyTo, HeaderTraits.Recipient | HeaderTraits.Resent, "Resent-Reply-To"),
        (KnownHeader.ResentSender, HeaderTraits.Sender | HeaderTraits.Resent, "Resent-Sender"),
        (KnownHeader.ResentTo, HeaderTraits.Recipient | HeaderTraits.Extract | HeaderTraits.Resent, "Resent-To"),
        (KnownHeader.ReturnPath, HeaderTraits.Sender, "Return-Path"),
        (KnownHeader.ReturnReceiptTo, HeaderTraits.Sender, "Return-Receipt-To"),
        (KnownHeader.Sender, HeaderTraits.Sender, "Sender"),
        (KnownHeader.To, HeaderTraits.Recipient | HeaderTraits.Extract, "To"),
    ];

    // By length of the name: at most four names share one.
    private static readonly (KnownHeader Id, HeaderTraits Traits, byte[] Name)[][] ByLength = Index();

    /// <summary>The known header of a field name, any case.</summary>
    /// <param name="name">The name, without colon.</param>
    /// <param name="traits">What it holds.</param>
    public static KnownHeader Find(ReadOnlySpan<byte> name, out HeaderTraits traits)
    {
        if (name.Length < ByLength.Length)
        {
            foreach (var row in ByLength[name.Length])
            {
                if (Ascii.EqualsIgnoreCase(row.Name, name))
                {
                    traits = row.Traits;
                    return row.Id;
                }
            }
        }
        traits = HeaderTraits.None;
        return KnownHeader.None;
    }

    private static (KnownHeader Id, HeaderTraits Traits, byte[] Name)[][] Index()
    {
        var longest = Rows.Max(row => row.Name.Length);
        return [.. Enumerable.Range(0, longest + 1).Select(
            length => Rows.Where(row => row.Name.Length == length).Select(row => (row.Id, row.Traits, Encoding.UTF8.GetBytes(row.Name))).ToArray())];
    }
}
