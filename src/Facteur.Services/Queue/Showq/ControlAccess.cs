using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Services.Server;
using Facteur.Tables;

namespace Facteur.Services.Queue.Showq;

/// <summary>What a user may ask of the queue.</summary>
[Flags]
public enum ControlRights
{
    /// <summary>Nothing but a look into maildrop, which says nothing and takes nothing.</summary>
    None = 0,

    /// <summary>List the queue.</summary>
    List = 1,

    /// <summary>Have mail tried now.</summary>
    Flush = 2,

    /// <summary>Change and read messages.</summary>
    Super = 4,
}

/// <summary>Says what the user behind a connection may ask, by the user's id as the kernel knows it.</summary>
public sealed class ControlAccess
{
    private readonly uint[] _owners;
    private readonly Func<uint, string?> _userName;
    private readonly ITableSet _tables;
    private readonly BlockingThreads _threads;
    private readonly List<string> _mailq;
    private readonly List<string> _flush;

    /// <summary>Reads the lists.</summary>
    /// <param name="config">The snapshot.</param>
    /// <param name="tables">Tables that the lists name.</param>
    /// <param name="owners">Users who may ask everything, as root may: mail_owner and the user this instance runs as.</param>
    /// <param name="userName">The name of a user id, or null. May block.</param>
    /// <param name="threads">Threads for what blocks: who asks is served on the thread of a socket.</param>
    public ControlAccess(IConfig config, ITableSet tables, IReadOnlyList<uint> owners, Func<uint, string?> userName, BlockingThreads threads)
    {
        _tables = tables;
        _threads = threads;
        _owners = [0, .. owners];
        _userName = userName;
        _mailq = ListSyntax.Split(config.Get(ShowqParameters.AuthorizedMailqUsers));
        _flush = ListSyntax.Split(config.Get(ShowqParameters.AuthorizedFlushUsers));
    }

    /// <summary>The rights of a user; a list that can't be read grants nothing.</summary>
    public async ValueTask<ControlRights> RightsAsync(uint uid, CancellationToken cancel)
    {
        if (_owners.AsSpan().Contains(uid))
        {
            return ControlRights.List | ControlRights.Flush | ControlRights.Super;
        }
        // Postfix: a user without a name is "unknown".
        var name = await _threads.RunAsync(() => _userName(uid), cancel).ConfigureAwait(false) ?? "unknown";
        return (await ListedAsync(_mailq, name, cancel).ConfigureAwait(false) ? ControlRights.List : 0)
            | (await ListedAsync(_flush, name, cancel).ConfigureAwait(false) ? ControlRights.Flush : 0);
    }

    // The first pattern that matches decides; "!" in front turns it round.
    private async ValueTask<bool> ListedAsync(List<string> patterns, string name, CancellationToken cancel)
    {
        foreach (var pattern in patterns)
        {
            var plain = pattern.TrimStart('!');
            var grants = (pattern.Length - plain.Length) % 2 == 0;
            if (plain.StartsWith('/'))
            {
                if (await _threads.RunAsync(() => FromFile(plain), cancel).ConfigureAwait(false) is not { } inner)
                {
                    return false;
                }
                if (inner.Contains(name))
                {
                    return grants;
                }
            }
            else if (plain.Contains(':', StringComparison.Ordinal))
            {
                var table = _tables.Open(plain);
                switch ((await table.LookupAsync(name, cancel).ConfigureAwait(false)).Status)
                {
                    case LookupStatus.Found:
                        return grants;
                    case LookupStatus.Error:
                        return false;
                }
            }
            else if (plain == name)
            {
                return grants;
            }
        }
        return false;
    }

    private static List<string>? FromFile(string path)
    {
        try
        {
            return [.. File.ReadLines(path).Where(line => !line.StartsWith('#')).SelectMany(ListSyntax.Split)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ConfigException)
        {
            return null;
        }
    }
}
