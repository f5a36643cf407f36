using Facteur.Mail.Dsn;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>What an alias expands to, or why it can't be expanded now.</summary>
/// <param name="Failure">Why not; else null.</param>
/// <param name="Tokens">Its destinations, at least one.</param>
/// <param name="Owner">The list's owner that owner-NAME gives, or null.</param>
/// <param name="Rights">The owner of the alias file when it is not root, else null.</param>
/// <param name="Account">That owner.</param>
/// <param name="Text">What the table says, of an alias that is not to be expanded.</param>
internal sealed record AliasAnswer(
    DeliveryStatus? Failure, List<AliasToken> Tokens, string? Owner = null, UserIdentity? Rights = null, UserAccount? Account = null, string? Text = null);

/// <summary>alias_maps.</summary>
internal sealed class LocalAliases(LocalRooms rooms)
{
    private readonly LocalSettings _settings = rooms.Settings;

    /// <summary>Looks a name up; null when it is no alias.</summary>
    /// <param name="name">The name.</param>
    /// <param name="expands">Whether its destinations are asked for, too.</param>
    /// <param name="cancel">Ends waiting for a table.</param>
    public async ValueTask<AliasAnswer?> FindAsync(string name, bool expands, CancellationToken cancel)
    {
        foreach (var table in _settings.Aliases.Tables)
        {
            var found = await table.LookupAsync(name, cancel).ConfigureAwait(false);
            if (found.Status == LookupStatus.Error)
            {
                LocalLog.LookupFailed(rooms.Log, table.Name, name, found.Value);
                return Failed(0, "alias database unavailable");
            }
            if (found.Status == LookupStatus.Found)
            {
                return expands ? await ExpandAsync(table, name, found.Value, cancel).ConfigureAwait(false) : new AliasAnswer(null, [], Text: found.Value);
            }
        }
        return null;
    }

    private static readonly string[] Suffixes = [".lmdb", ".db", ".cdb", ""];

    private static AliasAnswer Failed(ushort detail, string reason) => new(DeliveryStatus.Deferred(3, detail, reason), []);

    private async ValueTask<AliasAnswer> ExpandAsync(ITable table, string name, string value, CancellationToken cancel)
    {
        var tokens = AliasText.Parse(value);
        if (tokens.Count == 0)
        {
            LocalLog.EmptyAlias(rooms.Log, name);
            return Failed(0, "alias database unavailable");
        }
        var (owner, failed) = await OwnerAsync(name, cancel).ConfigureAwait(false);
        if (failed)
        {
            return Failed(0, "alias database unavailable");
        }
        if (!tokens.Exists(t => t.Kind is AliasTokenKind.File or AliasTokenKind.Include or AliasTokenKind.Command))
        {
            return new AliasAnswer(null, tokens, owner);
        }
        var (file, account, known) = await rooms.Threads.RunAsync(() => FileOwner(table, name, value), cancel).ConfigureAwait(false);
        if (!known)
        {
            LocalLog.NoAliasOwner(rooms.Log, table.Name);
            return Failed(0, "cannot find alias database owner");
        }
        return account is null ? new AliasAnswer(null, tokens, owner)
            : new AliasAnswer(null, tokens, owner, new UserIdentity(IdentityKind.Owner, file, account.Uid, account.Gid), account);
    }

    private async ValueTask<(string? Owner, bool Failed)> OwnerAsync(string name, CancellationToken cancel)
    {
        if (!_settings.OwnerSpecial)
        {
            return (null, false);
        }
        var ownerName = "owner-" + name;
        var found = await _settings.Aliases.FindAsync(ownerName, partial: false, cancel).ConfigureAwait(false);
        if (found.Status != LookupStatus.Found)
        {
            return (null, found.Status == LookupStatus.Error);
        }
        var owner = _settings.ExpandOwner ? AliasText.Parse(found.Value).FirstOrDefault(t => t.Kind == AliasTokenKind.Address).Text ?? ownerName : ownerName;
        var complete = await rooms.Rewrite.RewriteAsync(true, owner, cancel).ConfigureAwait(false);
        return (complete, complete is null);
    }

    /// <summary>
    /// In whose name an alias's files and commands count: the owner of the alias file; nobody's yet when that is root or when the table is no file.
    /// </summary>
    private (string File, UserAccount? Account, bool Known) FileOwner(ITable table, string key, string value)
    {
        var path = table.Name[(table.Name.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (table is not IOwnedTable { Files.Count: > 0 } owned)
        {
            return (path, null, true);
        }
        // Of the file that was opened: by its name another could be there meanwhile.
        var (now, uid) = owned.FindOwned(key);
        if (now.Value != value)
        {
            return (path, null, false);
        }
        if (uid == 0 || (_settings.MailOwner is { } own && uid == own))
        {
            // Nothing is delivered in the name of root or of the mail system's own user.
            return (path, null, true);
        }
        if (UserAccount.Find(uid, out var account) != 0 || account is null)
        {
            return (path, null, false);
        }
        // The parent looks at the owner of a name itself, and finds this one or refuses.
        var name = owned.Files.SelectMany(file => Suffixes.Select(suffix => file + suffix)).FirstOrDefault(n => UnixFile.Status(n, followLinks: true, out var status) == 0 && status.Uid == uid);
        return name is null ? (path, null, false) : (name, account, true);
    }
}
