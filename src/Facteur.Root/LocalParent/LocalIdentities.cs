using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>Who something is done for: found here, never taken from a request. May block; for any thread.</summary>
/// <param name="options">What master said.</param>
internal sealed unsafe class LocalIdentities(LocalParentOptions options)
{
    /// <summary>Never root, never the mail system's own users.</summary>
    public bool Allowed(uint uid) => uid is not (0 or uint.MaxValue) && !options.RefusedUids.Contains(uid);

    /// <summary>The identity, from the user database or a file's owner, or of a pipe service that master named; only numbers of virtual mailboxes are taken as given, within their bounds.</summary>
    public int Find(LocalRequest request, out uint uid, out uint gid, out UserAccount? user)
    {
        (uid, gid, user) = (0, 0, null);
        var errno = 0;
        switch (request.Identity)
        {
            case LocalIdentity.User:
                errno = UserAccount.Find(request.Name, out user);
                break;
            case LocalIdentity.Owner:
                // The name may be another file's by now: whose it was when it was read is what was asked for.
                errno = !request.Name.StartsWith('/') ? Libc.EINVAL
                    : UnixFile.Status(request.Name, followLinks: true, out var status) is not 0 and var failed ? failed
                    : status.Uid != request.Uid ? Libc.EPERM : UserAccount.Find(status.Uid, out user);
                break;
            case LocalIdentity.Pipe:
                var colon = request.Name.IndexOf(':', StringComparison.Ordinal);
                errno = UserAccount.Find(colon < 0 ? request.Name : request.Name[..colon], out user);
                var group = colon < 0 ? user?.Gid : GroupAccount.Find(request.Name[(colon + 1)..]);
                (uid, gid) = (user?.Uid ?? 0, group ?? 0);
                return errno != 0 ? errno : request.Work != LocalWork.User || !options.Pipes.Contains($"{request.Name}\t{request.Path}") ? Libc.EPERM
                    : user is null || group is null ? Libc.ENOENT : gid == 0 || options.RefusedGids.Contains(gid) ? Libc.EPERM : 0;
            default:
                (uid, gid) = (request.Uid, request.Gid);
                return uid >= options.VirtualMinimumUid && gid is not (0 or uint.MaxValue) && !options.RefusedGids.Contains(gid) && request.Name.Length == 0 ? 0 : Libc.EPERM;
        }
        (uid, gid) = (user?.Uid ?? 0, user?.Gid ?? 0);
        return errno != 0 ? errno : user is null ? Libc.ENOENT : 0;
    }

    /// <summary>Opens a directory of mailboxes that master named, for a user whose name can be one in it.</summary>
    /// <returns>The descriptor; or -1, and <paramref name="refusal"/> says why.</returns>
    public int OpenSpool(LocalRequest request, UserAccount user, out uint mode, out uint group, out LocalAnswer refusal)
    {
        (mode, group, refusal) = (0, 0, new LocalAnswer(Libc.EPERM));
        if (!options.MailSpools.Contains(request.Path) || user.Name.Contains('/') || user.Name is "." or ".." || options.RefusedUids.Contains(user.Uid))
        {
            return -1;
        }
        var directory = Libc.open(request.Path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        Stat status;
        if (directory < 0 || Libc.fstat(directory, &status) < 0)
        {
            refusal = new LocalAnswer(Marshal.GetLastPInvokeError(), LocalWhere.File);
            _ = directory < 0 ? 0 : Libc.close(directory);
            return -1;
        }
        (mode, group) = (status.Mode, status.Gid);
        return directory;
    }
}
