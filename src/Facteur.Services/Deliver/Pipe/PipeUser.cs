using Facteur.Unix;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>In whose name a pipe service runs: user= looked up, and whom it may not be (pipe(8): neither root nor the mail system).</summary>
internal static class PipeUser
{
    /// <summary>Looks it up. May block (NSS).</summary>
    /// <param name="command">The service.</param>
    /// <param name="owner">mail_owner.</param>
    /// <param name="postdrop">setgid_group.</param>
    /// <param name="canChange">The command runs as this user; else as ours, and the name has only to exist.</param>
    /// <param name="who">The identity.</param>
    /// <returns>Null, or why it can't be.</returns>
    public static string? Find(PipeCommand command, string owner, string postdrop, bool canChange, out UserIdentity who)
    {
        who = default;
        var colon = command.User.IndexOf(':', StringComparison.Ordinal);
        var name = colon < 0 ? command.User : command.User[..colon];
        if (UserAccount.Find(name, out var user) is not 0 and var errno)
        {
            return $"get_service_attr: lookup of username {name}: {Errno.Text(errno)}";
        }
        if (user is null)
        {
            return $"get_service_attr: unknown username: {name}";
        }
        var gid = colon < 0 ? user.Gid : GroupAccount.Find(command.User[(colon + 1)..]);
        if (gid is null)
        {
            return $"get_service_attr: unknown group: {command.User[(colon + 1)..]}";
        }
        who = new UserIdentity(IdentityKind.Pipe, command.User, user.Uid, gid.Value, command.Root);
        if (!canChange)
        {
            return null;
        }
        _ = UserAccount.Find(owner, out var mail);
        return user.Uid == 0 ? "user= command-line attribute specifies root privileges"
            : user.Uid == mail?.Uid ? $"user= command-line attribute specifies mail system owner {owner}"
            : gid == 0 ? "user= command-line attribute specifies privileged group id 0"
            : gid == mail?.Gid ? $"user= command-line attribute specifies mail system owner {owner} group id {gid}"
            : gid == GroupAccount.Find(postdrop) ? $"user= command-line attribute specifies mail system {postdrop} group id {gid}" : null;
    }
}
