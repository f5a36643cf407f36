using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>The group database (group(5)).</summary>
public static unsafe class GroupAccount
{
    private const int BufferLimit = 1 << 20;

    /// <summary>The number of a group, or null when there is none or the database can't answer. May block (NSS).</summary>
    public static uint? Find(string name) => name.Length == 0 || name.Contains('\0') ? null : Find(name, 0)?.Gid;

    /// <summary>The name of the first group with a number, or null when there is none or the database can't answer. May block (NSS).</summary>
    public static string? NameOf(uint gid) => Find(null, gid)?.Name;

    private static (string Name, uint Gid)? Find(string? name, uint gid)
    {
        const int erange = 34;
        for (var size = 4096; size <= BufferLimit; size *= 4)
        {
            var buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                Libc.Group row;
                Libc.Group* found;
                if ((name is null ? Libc.getgrgid_r(gid, &row, buffer, size, &found) : Libc.getgrnam_r(name, &row, buffer, size, &found)) != erange)
                {
                    return found is null ? null : (UserAccount.Text(row.Name), row.Gid);
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
