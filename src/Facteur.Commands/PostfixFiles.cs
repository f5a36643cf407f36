using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// Who owns what, as Postfix's postfix-files says it: the directories of an instance and the commands that run set-gid. "postfix set-permissions" sets it,
/// "postfix check" compares with it; the directories are those that master makes at a start.
/// </summary>
public sealed class PostfixFiles
{
    private PostfixFiles(string mailOwner, string setgidGroup, IReadOnlyList<OwnedPath> directories, IReadOnlyList<OwnedPath> commands) =>
        (MailOwner, SetgidGroup, Directories, Commands) = (mailOwner, setgidGroup, directories, commands);

    /// <summary>mail_owner.</summary>
    public string MailOwner { get; }

    /// <summary>setgid_group.</summary>
    public string SetgidGroup { get; }

    /// <summary>The instance's directories, outer ones first.</summary>
    public IReadOnlyList<OwnedPath> Directories { get; }

    /// <summary>The set-gid commands.</summary>
    public IReadOnlyList<OwnedPath> Commands { get; }

    /// <summary>The table of an instance.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="files">The table.</param>
    /// <returns>Why the accounts that main.cf names can't be used, as Postfix says it, or null.</returns>
    public static string? Of(IConfig config, out PostfixFiles? files)
    {
        files = null;
        var (owner, group) = (config.Get(CommonParameters.MailOwner), config.Get(CommonParameters.SetgidGroup));
        var place = $"file {Path.Combine(config.ConfigDirectory, "main.cf")}";
        if (UserAccount.Find(owner, out var account) != 0 || account is null)
        {
            return $"{place}: parameter mail_owner: unknown user name value: {owner}";
        }
        if (GroupAccount.Find(group) is not { } gid)
        {
            return $"{place}: parameter setgid_group: unknown group name: {group}";
        }
        var queueOwner = config.Get(FacteurParameters.QueueOwner);
        if (UserAccount.Find(queueOwner, out var queueAccount) != 0 || queueAccount is null)
        {
            return $"{place}: parameter queue_owner: unknown user name value: {queueOwner}";
        }
        // An instance that is wholly one user's has no other owner, and its group is of no use to others.
        var self = Libc.geteuid();
        var ownInstance = account.Uid == self;
        if (!ownInstance && Wrong(config, account, group, gid) is { } wrong)
        {
            return $"{place}: {wrong}";
        }
        var (root, commands) = (ownInstance ? self : 0u, config.Get(SendmailParameters.CommandDirectory));
        files = new PostfixFiles(owner, group,
        [
            new OwnedPath(config.ConfigDirectory, OwnedPathKind.Directory, root, null, 0x1ED),
            new OwnedPath(config.Get(CommonParameters.DataDirectory), OwnedPathKind.Directory | OwnedPathKind.Make, account.Uid, null, 0x1C0),
            .. QueueDirectories.Of(config.Get(CommonParameters.QueueDirectory), account, queueAccount, gid),
        ],
        [.. ((string[])["postdrop", "postqueue", "postlog"]).Select(name => new OwnedPath($"{commands}/{name}", OwnedPathKind.File, root, gid, 0x5ED))]);
        return null;
    }

    /// <summary>Why nothing can be done in the name of default_privs, or null.</summary>
    public static string? DefaultPrivs(IConfig config) =>
        Account(config, out _, out _) is { } wrong ? $"file {Path.Combine(config.ConfigDirectory, "main.cf")}: {wrong}" : null;

    private static string? Account(IConfig config, out string privs, out UserAccount? account)
    {
        privs = config.Get(LocalParameters.DefaultPrivs);
        return UserAccount.Find(privs, out account) != 0 || account is null ? $"parameter default_privs: unknown user name value: {privs}"
            : account.Uid == 0 ? $"parameter default_privs: user {privs} has privileged user ID" : null;
    }

    // Postfix's checks at the start of every command: what belongs to one of these accounts must be out of reach of the others.
    private static string? Wrong(IConfig config, UserAccount owner, string group, uint gid)
    {
        if (owner.Uid == 0)
        {
            return $"parameter mail_owner: user {owner.Name} has privileged user ID";
        }
        if (owner.Gid == 0)
        {
            return $"parameter mail_owner: user {owner.Name} has privileged group ID";
        }
        if (gid == 0)
        {
            return $"parameter setgid_group: group {group} has privileged group ID";
        }
        if (owner.Gid == gid)
        {
            return $"parameters mail_owner and setgid_group: user {owner.Name} and group {group} have the same group ID: {gid}";
        }
        if (Account(config, out var privs, out var account) is { } wrong)
        {
            return wrong;
        }
        if (account!.Uid == owner.Uid)
        {
            return $"parameters default_privs and mail_owner specify the same user {privs}";
        }
        return account.Gid == gid ? $"parameters default_privs and setgid_group: user {privs} and group {group} have the same group ID: {gid}" : null;
    }
}
