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
        if (PostfixAccounts.Of(config, out var wrong) is not { } accounts)
        {
            return wrong;
        }
        var self = Libc.geteuid();
        var (root, commands) = (accounts.Mail.Uid == self ? self : 0u, config.Get(SendmailParameters.CommandDirectory));
        files = new PostfixFiles(accounts.Mail.Name, accounts.Group,
        [
            new OwnedPath(config.ConfigDirectory, OwnedPathKind.Directory, root, null, 0x1ED),
            new OwnedPath(config.Get(CommonParameters.DataDirectory), OwnedPathKind.Directory | OwnedPathKind.Make, accounts.Mail.Uid, null, 0x1C0),
            .. QueueDirectories.Of(config.Get(CommonParameters.QueueDirectory), accounts.Mail, accounts.Queue, accounts.Gid),
        ],
        [.. ((string[])["postdrop", "postqueue", "postlog"]).Select(name => new OwnedPath($"{commands}/{name}", OwnedPathKind.File, root, accounts.Gid, 0x5ED))]);
        return null;
    }
}
