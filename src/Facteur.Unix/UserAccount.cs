using System.Runtime.InteropServices;
using System.Text;

namespace Facteur.Unix;

/// <summary>A row of the user database (passwd(5)).</summary>
/// <param name="Name">Login name.</param>
/// <param name="Uid">User number.</param>
/// <param name="Gid">Number of the primary group.</param>
/// <param name="Gecos">The comment field, whole.</param>
/// <param name="Home">Home directory.</param>
/// <param name="Shell">Login shell.</param>
public sealed record UserAccount(string Name, uint Uid, uint Gid, string Gecos, string Home, string Shell)
{
    private const int BufferLimit = 1 << 20;

    /// <summary>The person's name: gecos up to the first comma, "&amp;" replaced by the login name with a capital (finger(1)).</summary>
    public string FullName
    {
        get
        {
            var comma = Gecos.IndexOf(',', StringComparison.Ordinal);
            var name = comma < 0 ? Gecos : Gecos[..comma];
            return Name.Length == 0 ? name : name.Replace("&", char.ToUpperInvariant(Name[0]) + Name[1..], StringComparison.Ordinal);
        }
    }

    /// <summary>Looks a user up by name. May block (NSS).</summary>
    /// <param name="name">Login name.</param>
    /// <param name="account">The user, or null when there is none.</param>
    /// <returns>0, or the errno of a database that can't answer now.</returns>
    public static int Find(string name, out UserAccount? account)
    {
        account = null;
        // A NUL would end the name early and find another user.
        return name.Length == 0 || name.Contains('\0') ? 0 : Find(name, 0, out account);
    }

    /// <summary>Looks a user up by number. May block (NSS).</summary>
    /// <param name="uid">User number.</param>
    /// <param name="account">The user, or null when there is none.</param>
    /// <returns>0, or the errno of a database that can't answer now.</returns>
    public static int Find(uint uid, out UserAccount? account) => Find(null, uid, out account);

    private static unsafe int Find(string? name, uint uid, out UserAccount? account)
    {
        account = null;
        const int erange = 34;
        for (var size = 4096; size <= BufferLimit; size *= 4)
        {
            var buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                Libc.Passwd row;
                Libc.Passwd* found;
                var errno = name is null ? Libc.getpwuid_r(uid, &row, buffer, size, &found) : Libc.getpwnam_r(name, &row, buffer, size, &found);
                if (errno == erange)
                {
                    continue;
                }
                if (found is not null)
                {
                    account = new UserAccount(Text(row.Name), row.Uid, row.Gid, Text(row.Gecos), Text(row.Directory), Text(row.Shell));
                    return 0;
                }
                // getpwnam(3): several errno values also mean "no such user".
                return errno is Libc.ENOENT or Libc.EPERM or 3 or 9 ? 0 : errno;
            }
            finally
            {
                NativeMemory.Free(buffer);
            }
        }
        return erange;
    }

    internal static unsafe string Text(byte* text) => text is null ? "" : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
}
