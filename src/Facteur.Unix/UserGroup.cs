using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>The group database (group(5)).</summary>
public static class UserGroup
{
    private const int BufferLimit = 1 << 20;

    /// <summary>Looks a group up by name. May block (NSS).</summary>
    /// <param name="name">Its name.</param>
    /// <param name="gid">Its number, or null when there is none.</param>
    /// <returns>0, or the errno of a database that can't answer now.</returns>
    public static unsafe int Find(string name, out uint? gid)
    {
        gid = null;
        const int erange = 34;
        if (name.Length == 0 || name.Contains('\0'))
        {
            return 0;
        }
        for (var size = 4096; size <= BufferLimit; size *= 4)
        {
            var buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                Libc.Group row;
                Libc.Group* found;
                var errno = Libc.getgrnam_r(name, &row, buffer, size, &found);
                if (errno == erange)
                {
                    continue;
                }
                gid = found is null ? null : row.Gid;
                // getgrnam(3): several errno values also mean "no such group".
                return found is not null || errno is Libc.ENOENT or Libc.EPERM or Libc.ESRCH or Libc.EBADF ? 0 : errno;
            }
            finally
            {
                NativeMemory.Free(buffer);
            }
        }
        return erange;
    }
}
