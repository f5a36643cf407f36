using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// The identity of the whole process, given up for good: real, effective and saved ids, groups. glibc's calls change every thread;
/// the raw ones would change one and leave root in the others.
/// </summary>
public static unsafe class ProcessIdentity
{
    /// <summary>Becomes a user for ever.</summary>
    /// <param name="uid">User; not 0.</param>
    /// <param name="gid">Primary group.</param>
    /// <param name="groups">Supplementary groups.</param>
    /// <exception cref="IdentityException">The kernel refused, or root could be had back: the process must end.</exception>
    public static void Become(uint uid, uint gid, ReadOnlySpan<uint> groups)
    {
        if (uid == 0)
        {
            throw new IdentityException("cannot give up root's rights for root's");
        }
        fixed (uint* list = groups)
        {
            // In this order: without the user's rights nothing else could be changed.
            if (Libc.setgroups((nuint)groups.Length, list) < 0 || Libc.setresgid(gid, gid, gid) < 0 || Libc.setresuid(uid, uid, uid) < 0)
            {
                throw new IdentityException($"cannot become uid={uid} gid={gid}: {Errno.Text(Marshal.GetLastPInvokeError())}");
            }
        }
        if (Libc.getuid() != uid || Libc.geteuid() != uid || Libc.getgid() != gid || Libc.getegid() != gid || Libc.setresuid(uint.MaxValue, 0, uint.MaxValue) == 0)
        {
            throw new IdentityException($"uid={uid} gid={gid} was taken, and root could be had back");
        }
    }

    /// <summary>The supplementary groups of a user, as initgroups(3) would set them: milters put mail_owner into their group.</summary>
    public static uint[] GroupsOf(UserAccount account)
    {
        var groups = new uint[64];
        while (true)
        {
            var count = groups.Length;
            fixed (uint* list = groups)
            {
                if (Libc.getgrouplist(account.Name, account.Gid, list, &count) >= 0)
                {
                    return groups[..count];
                }
            }
            if (groups.Length >= 65536)
            {
                return [account.Gid];
            }
            groups = new uint[Math.Max(count, groups.Length * 2)];
        }
    }
}
