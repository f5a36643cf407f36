using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>One delivery into a mailbox, done by whoever has the user's rights: one of our threads, or a helper process.</summary>
internal static class MailboxDelivery
{
    /// <summary>Deliveries of ours into one mbox, which may be reached by many names, come one after the other: none finds another's lock and waits seconds for it.</summary>
    private static readonly NamedTurns Mboxes = new(1);

    /// <summary>Delivers once.</summary>
    /// <param name="owner">Whose mailbox it is, by whom strict_mailbox_ownership is judged.</param>
    /// <param name="newOwner">Owner of a new mbox, when it is not who makes it; else null.</param>
    /// <param name="job">The delivery.</param>
    /// <param name="content">The content.</param>
    /// <param name="time">The clock.</param>
    public static MailboxEnd Deliver(uint owner, (uint Uid, uint Gid)? newOwner, MailboxJob job, IContentSource content, TimeProvider time)
    {
        var warnings = new List<string>();
        var copy = new MailboxCopy(job, content, time);
        if (job.IsMaildir)
        {
            return new MailboxEnd(Maildir.Deliver(job.Path, copy), warnings);
        }
        var rules = new MboxRules { Locks = job.Locks, AnyFile = job.AnyFile, Owner = job.StrictOwner ? owner : null, NewOwner = newOwner };
        return new MailboxEnd(Mbox.Deliver(job.Path, copy, rules, warnings.Add), warnings);
    }

    /// <summary>
    /// Delivers again and again while another keeps the mailbox locked. No thread waits meanwhile, and nothing is held.
    /// </summary>
    /// <param name="hands">Who delivers.</param>
    /// <param name="who">In whose name.</param>
    /// <param name="job">The delivery.</param>
    /// <param name="content">The content.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Ends the waiting: the attempt before is the last.</param>
    public static async ValueTask<MailboxEnd> DeliverAsync(
        IUserHands hands, UserIdentity who, MailboxJob job, IContentSource content, TimeProvider time, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var end = job.IsMaildir ? await hands.DeliverAsync(who, job, content, cancel).ConfigureAwait(false)
                : await Mboxes.RunAsync(job.Path, () => hands.DeliverAsync(who, job, content, cancel), cancel).ConfigureAwait(false);
            if (!end.Result.Locked || attempt >= job.Locks.Attempts)
            {
                return end;
            }
            await Task.Delay(job.Locks.Delay, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancel.IsCancellationRequested)
            {
                return end;
            }
        }
    }

    /// <summary>Who makes mailbox and lock file in a directory of mailboxes (Postfix, mailbox.c).</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="user">The recipient.</param>
    /// <returns>The identity; the recipient's user with the directory's group, or root where only root may write.</returns>
    public static (uint Uid, uint Gid) Maker(string directory, UserIdentity user)
    {
        const uint othersWrite = 2, groupWrite = 16;
        return UnixFile.Status(directory, followLinks: true, out var status) != 0 || (status.Mode & othersWrite) != 0 ? (user.Uid, user.Gid)
            // Debian's /var/mail is root:mail 2775.
            : (status.Mode & groupWrite) != 0 ? (user.Uid, status.Gid) : (0, 0);
    }
}
