using Facteur.Mail.Dsn;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>How a delivery to a file ended.</summary>
/// <param name="Failure">Null when the message is on stable storage.</param>
/// <param name="Damaged">The content is damaged; nothing was kept of it.</param>
/// <param name="Locked">Another keeps the mailbox locked: a later attempt may do better.</param>
internal readonly record struct MailboxResult(DeliveryStatus? Failure, bool Damaged = false, bool Locked = false)
{
    private const int Estale = 116;

    /// <summary>On stable storage.</summary>
    public static MailboxResult Delivered => default;

    /// <summary>The content could not be read whole.</summary>
    public static MailboxResult NotReadable(CopyEnd end) =>
        new(DeliveryStatus.Deferred(3, 0, end == CopyEnd.Damaged ? "message content is damaged" : "message content can't be read now"), end == CopyEnd.Damaged);

    /// <summary>A file operation failed.</summary>
    /// <param name="errno">Why.</param>
    /// <param name="mailboxErrorClass">4 or 5, for errors that are neither the system's nor the quota's.</param>
    /// <param name="reason">What was done, without the error's text.</param>
    public static MailboxResult Failed(int errno, byte mailboxErrorClass, string reason)
    {
        var text = $"{reason}: {Errno.Text(errno)}";
        return new MailboxResult(errno switch
        {
            Libc.EAGAIN or Estale => DeliveryStatus.Deferred(2, 0, text),
            Libc.ENOSPC or Libc.EIO or Libc.EMFILE or Libc.ENFILE or Libc.ENOMEM or Libc.EROFS => DeliveryStatus.Deferred(3, 0, text),
            // virtual(8): mail bounces when the recipient is over disk quota.
            Libc.EFBIG or Libc.EDQUOT => DeliveryStatus.Bounced(2, 2, text),
            _ when mailboxErrorClass == 4 => DeliveryStatus.Deferred(2, 0, text),
            _ => DeliveryStatus.Bounced(2, 0, text),
        });
    }

    /// <summary>The same with words in front of the reason.</summary>
    public MailboxResult Prefixed(string words) => Failure is null ? this : this with { Failure = Failure with { Reason = words + Failure.Reason } };
}
