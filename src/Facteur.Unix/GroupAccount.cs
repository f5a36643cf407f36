using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>The group database (group(5)).</summary>
public static unsafe class GroupAccount
{
    private const int BufferLimit = 1 << 20;

    /// <summary>The number of a group, or null when there is none or the database can't answer. May block (NSS).</summary>
    public static uint? Find(string name)
    {
        const int erange = 34;
        if (name.Length == 0 || name.Contains('\0'))
        {
            return null;
        }
        for (var size = 4096; size <= BufferLimit; size *= 4)
        {
            var buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                Libc.Group row;
                Libc.Group* found;
                if (Libc.getgrnam_r(name, &row, buffer, size, &found) != erange)
                {
                    return found is null ? null : row.Gid;
                }
            }
            finally
            {
                NativeMemory.Free(buffer);
            }
        }
        return null;
    }
}
