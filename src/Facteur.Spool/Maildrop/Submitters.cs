using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>
/// authorized_submit_users: who may submit mail. The first pattern that matches decides: a user's name, /file/name with such patterns, static: for all; "!"
/// in front turns it round. Looked up by a set-gid program, so no other kind of table is opened.
/// </summary>
/// <param name="patterns">The list.</param>
public sealed class Submitters(IReadOnlyList<string> patterns)
{
    private const int FileLimit = 1024 * 1024;

    /// <summary>Whether a user may submit mail.</summary>
    /// <param name="uid">The user.</param>
    /// <param name="name">The user's name, "unknown" without one.</param>
    /// <param name="allowed">The answer.</param>
    /// <returns>What can't be read or is not known here, or null.</returns>
    public string? Allows(uint uid, out string name, out bool allowed)
    {
        _ = UserAccount.Find(uid, out var account);
        // Postfix: a user without a name is "unknown".
        name = account?.Name ?? "unknown";
        return Allows(name, out allowed);
    }

    internal string? Allows(string name, out bool allowed)
    {
        allowed = false;
        foreach (var pattern in patterns)
        {
            var plain = pattern.TrimStart('!');
            var found = false;
            if (plain.StartsWith('/'))
            {
                if (FromFile(plain, name, out found) is { } wrong)
                {
                    return wrong;
                }
            }
            else if (plain.Contains(':', StringComparison.Ordinal))
            {
                if (!plain.StartsWith("static:", StringComparison.Ordinal))
                {
                    return $"authorized_submit_users: {plain}: expected names, /file/name or static:all";
                }
                found = true;
            }
            if (found || plain == name)
            {
                allowed = (pattern.Length - plain.Length) % 2 == 0;
                return null;
            }
        }
        return null;
    }

    private static string? FromFile(string path, string name, out bool found)
    {
        found = false;
        var errno = UnixFile.Open(path, Libc.O_RDONLY | Libc.O_NONBLOCK, 0, out var file);
        if (file is null)
        {
            return $"authorized_submit_users: open {path}: {Unix.Errno.Text(errno)}";
        }
        using (file)
        {
            var bytes = new byte[FileLimit];
            var length = 0;
            while (length < bytes.Length)
            {
                errno = file.Read(bytes.AsSpan(length), out var count);
                if (errno != 0)
                {
                    return $"authorized_submit_users: read {path}: {Unix.Errno.Text(errno)}";
                }
                if (count == 0)
                {
                    break;
                }
                length += count;
            }
            if (length == bytes.Length)
            {
                return $"authorized_submit_users: {path} is larger than {FileLimit} bytes";
            }
            found = System.Text.Encoding.UTF8.GetString(bytes, 0, length).Split('\n').Where(line => !line.TrimStart().StartsWith('#'))
                .Any(line => line.Split([' ', '\t', '\r', ',']).Contains(name));
            return null;
        }
    }
}
