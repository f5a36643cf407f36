using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>The directories of queue_directory: names, modes, and whose they are (Postfix: postfix-files).</summary>
public static unsafe class QueueDirectories
{
    private enum Owner
    {
        Root,
        Mail,
        Queue,
    }

    private static readonly (string Name, uint Mode, uint Alone, Owner Owner, bool Group)[] All =
    [
        ("", 0x1ED, 0x1ED, Owner.Root, false),
        ("pid", 0x1ED, 0x1ED, Owner.Root, false),
        // Any user adds by the set-gid postdrop, none lists, reads or takes: 0730.
        ("maildrop", 0x1D8, 0x1D8, Owner.Mail, true),
        ("public", 0x1C8, 0x1ED, Owner.Mail, true),
        ("private", 0x1C0, 0x1C0, Owner.Mail, false),
        ("corrupt", 0x1C0, 0x1C0, Owner.Mail, false),
        // 02750 where the queue has a user of its own: the agents, of mail_owner's group, read what is made in it.
        ("journal", 0x5E8, 0x1C0, Owner.Queue, false),
    ];

    private static readonly string[] PostfixQueues = ["incoming", "active", "deferred", "hold", "bounce", "defer", "trace"];

    /// <summary>What each must be, outer ones first.</summary>
    /// <param name="queue">queue_directory.</param>
    /// <param name="mail">mail_owner.</param>
    /// <param name="queueOwner">queue_owner.</param>
    /// <param name="group">setgid_group.</param>
    public static IReadOnlyList<OwnedPath> Of(string queue, UserAccount mail, UserAccount queueOwner, uint group)
    {
        var root = Libc.geteuid() == 0 && mail.Uid != 0;
        return [.. All.Select(row =>
        {
            var alone = !root || (row.Owner == Owner.Queue && mail.Uid == queueOwner.Uid);
            var uid = row.Owner switch { Owner.Root when root => 0u, Owner.Queue => queueOwner.Uid, _ => mail.Uid };
            uint? gid = row.Group ? group : row.Owner == Owner.Queue && !alone ? mail.Gid : null;
            // What lies in these two has one owner, however it came there.
            var kind = OwnedPathKind.Directory | OwnedPathKind.Make | (row.Name is "journal" or "corrupt" ? OwnedPathKind.Tree : 0);
            return new OwnedPath(row.Name.Length == 0 ? queue : Path.Combine(queue, row.Name), kind, uid, gid, alone ? row.Alone : row.Mode);
        }), .. root ? Postfix(queue, mail, queueOwner) : []];
    }

    /// <summary>Whether postfix set-permissions was run on the programs beside this one.</summary>
    public static bool HasSetGid() =>
        UnixFile.Status(Path.Combine(Path.GetDirectoryName(Environment.ProcessPath)!, "facteur-postdrop"), followLinks: true, out var status) == 0 && (status.Mode & Libc.S_ISGID) != 0;

    /// <summary>Makes what is missing, and gives what root makes to whom it belongs.</summary>
    /// <param name="queue">queue_directory.</param>
    /// <param name="mail">mail_owner.</param>
    /// <param name="queueOwner">queue_owner: the journal is its alone; the agents, of mail_owner's group, read.</param>
    /// <param name="group">setgid_group.</param>
    /// <param name="setGid">Users come to public/ by set-gid programs. Else everybody may enter: the sockets there ask the kernel who comes.</param>
    /// <returns>Null, or what failed.</returns>
    public static string? Make(string queue, UserAccount? mail, UserAccount? queueOwner, uint group, bool setGid)
    {
        var root = Libc.geteuid() == 0 && mail is { Uid: not 0 };
        foreach (var (name, asRoot, alone, owner, forGroup) in All)
        {
            var path = name.Length == 0 ? queue : Path.Combine(queue, name);
            var mode = !root || (owner == Owner.Queue && mail!.Uid == queueOwner!.Uid) || (name == "public" && !setGid) ? alone : asRoot;
            var made = Libc.mkdir(path, mode) == 0;
            if (!made && Marshal.GetLastPInvokeError() is var errno && errno != Libc.EEXIST)
            {
                return $"create directory {path}: {Errno.Text(errno)}";
            }
            // No link is followed: whoever can write above must not choose what is given away.
            var fd = Libc.open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
            if (fd < 0)
            {
                if (!made && !root)
                {
                    continue;
                }
                return $"open directory {path}: {Errno.Text(Marshal.GetLastPInvokeError())}";
            }
            try
            {
                if (root && owner != Owner.Root)
                {
                    var account = owner == Owner.Mail ? mail! : queueOwner!;
                    Stat status;
                    // What an administrator gave to somebody on purpose stays; what is root's is ours to give.
                    if ((made || (Libc.fstat(fd, &status) == 0 && status.Uid == 0)) && Libc.fchown(fd, account.Uid, forGroup ? group : mail!.Gid) < 0)
                    {
                        return $"give {path} to {account.Name}: {Errno.Text(Marshal.GetLastPInvokeError())}";
                    }
                    made |= Libc.fstat(fd, &status) == 0 && status.Uid == account.Uid;
                }
                // mkdir's mode goes through the umask of whoever starts us, which may leave ordinary users no way to the sockets.
                if (made && Libc.fchmod(fd, mode) < 0)
                {
                    return $"set mode of {path}: {Errno.Text(Marshal.GetLastPInvokeError())}";
                }
            }
            finally
            {
                _ = Libc.close(fd);
            }
        }
        if (root && Postfix(queue, mail!, queueOwner!).FirstOrDefault(p => p.Set() != 0) is { } left)
        {
            return $"give {left.Path} to {queueOwner!.Name}: {Errno.Text(left.Set())}";
        }
        return null;
    }

    // Mail that Postfix left is taken over by a queue that may be another user than Postfix's was.
    private static IEnumerable<OwnedPath> Postfix(string queue, UserAccount mail, UserAccount queueOwner) =>
        mail.Uid == queueOwner.Uid ? [] : PostfixQueues.Select(name => Path.Combine(queue, name)).Where(path => UnixFile.Status(path, followLinks: false, out _) == 0)
            .Select(path => new OwnedPath(path, OwnedPathKind.Directory | OwnedPathKind.Tree, queueOwner.Uid, null, 0x1C0));
}
