using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>Writes a recipient's mail into a mailbox or a file, on an own thread, in the name of its owner.</summary>
internal sealed class LocalMailbox(LocalRooms rooms, DeliveryRequest request, DeliveryRecipient recipient, MessageContent content)
{
    private readonly LocalSettings _settings = rooms.Settings;

    /// <summary>home_mailbox or mail_spool_directory.</summary>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverAsync(UserAccount account, string sender, string deliveredTo, CancellationToken cancel)
    {
        var isHome = _settings.HomeMailbox.Length > 0;
        var path = isHome ? $"{account.Home}/{_settings.HomeMailbox}"
            : _settings.SpoolDirectory.EndsWith('/') ? $"{_settings.SpoolDirectory}{account.Name}/" : $"{_settings.SpoolDirectory}/{account.Name}";
        var isMaildir = path.EndsWith('/');
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            return (DeliveryStatus.Sent(isMaildir ? "delivers to maildir" : "delivers to mailbox"), false);
        }
        // Postfix: a mailbox always tells to whom it was delivered; prepend_delivered_header governs files only.
        var copy = Copy(sender, deliveredTo);
        var result = await _settings.Locks.DeliverAsync(
            rooms.Threads, () => isMaildir ? AsUser(account, () => Maildir.Deliver(path, copy)) : Mailbox(account, path, isHome, copy), rooms.Time, cancel)
            .ConfigureAwait(false);
        return (result.Failure ?? DeliveryStatus.Sent(isMaildir ? "delivered to maildir" : "delivered to mailbox"), result.Damaged);
    }

    /// <summary>/file/name, an mbox; or /directory/, a Maildir.</summary>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverFileAsync(
        string path, Rights rights, string sender, string deliveredTo, CancellationToken cancel)
    {
        var isMaildir = path.EndsWith('/');
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            return (DeliveryStatus.Sent(isMaildir ? "delivers to maildir" : $"delivers to file: {path}"), false);
        }
        var copy = Copy(sender, _settings.DeliveredIn.Contains("file") ? deliveredTo : "");
        var result = await _settings.Locks.DeliverAsync(rooms.Threads, () => File(path, rights, copy, isMaildir), rooms.Time, cancel).ConfigureAwait(false);
        return (result.Failure ?? DeliveryStatus.Sent(isMaildir ? "delivered to maildir" : $"delivered to file: {path}"), result.Damaged);
    }

    /// <summary>
    /// In whose name an alias's files count: the owner of the alias file, default_privs when that is root or when the table is no file.
    /// </summary>
    /// <param name="table">"type:name".</param>
    /// <param name="defaults">default_privs.</param>
    public static Rights? AliasRights(string table, Rights? defaults)
    {
        var path = table[(table.IndexOf(':', StringComparison.Ordinal) + 1)..];
        foreach (var suffix in path.StartsWith('/') ? new[] { ".lmdb", ".db", ".cdb", "" } : [])
        {
            if (UnixFile.Status(path + suffix, followLinks: true, out var status) == 0)
            {
                return status.Uid == 0 ? defaults : Rights.Of(status.Uid);
            }
        }
        return defaults;
    }

    private MailboxResult File(string path, Rights rights, MailboxCopy copy, bool isMaildir)
    {
        using var identity = FileIdentity.Take(rights.Uid, rights.Gid);
        return isMaildir
            ? Maildir.Deliver(path, copy)
            : Mbox.Deliver(path, copy, new MboxRules { Locks = _settings.Locks, AnyFile = true }, rooms.Log.Warning).Prefixed($"cannot append message to file {path}: ");
    }

    private MailboxResult Mailbox(UserAccount account, string path, bool isHome, MailboxCopy copy)
    {
        var rules = new MboxRules { Locks = _settings.Locks, Owner = _settings.StrictOwner ? account.Uid : null };
        var identity = new Rights(account.Uid, account.Gid);
        if (!isHome && UnixFile.Status(_settings.SpoolDirectory, followLinks: true, out var spool) == 0)
        {
            // Debian's /var/mail is root:mail 2775: mailbox and lock file are made with the directory's group.
            const uint othersWrite = 2, groupWrite = 16;
            if ((spool.Mode & othersWrite) == 0)
            {
                identity = (spool.Mode & groupWrite) != 0 ? new Rights(account.Uid, spool.Gid) : new Rights(0, 0);
                rules = identity.Uid == 0 ? rules with { NewOwner = (account.Uid, account.Gid) } : rules;
            }
        }
        using (FileIdentity.Take(identity.Uid, identity.Gid))
        {
            return Mbox.Deliver(path, copy, FileIdentity.CanChange ? rules : rules with { NewOwner = null }, rooms.Log.Warning)
                .Prefixed($"cannot update mailbox {path} for user {account.Name}. ");
        }
    }

    private static MailboxResult AsUser(UserAccount account, Func<MailboxResult> deliver)
    {
        using var identity = FileIdentity.Take(account.Uid, account.Gid);
        return deliver();
    }

    private MailboxCopy Copy(string sender, string deliveredTo) => new()
    {
        Content = content,
        Sender = sender,
        OriginalTo = recipient.Recipient.OriginalAddress.Length > 0 ? recipient.Recipient.OriginalAddress : _settings.OriginalTo ? recipient.Recipient.Address : "",
        DeliveredTo = deliveredTo,
        Time = rooms.Time,
        Host = _settings.Host,
        SizeLimit = _settings.SizeLimit,
        MailboxErrorClass = 5,
    };
}
