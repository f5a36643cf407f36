using System.Collections.Concurrent;

namespace Facteur.Services.Server;

/// <summary>Bounds the sessions on a socket that any local user may connect to: for each user and in all.</summary>
public sealed class UserSessions
{
    private const int UserLimit = 20;
    private const int SessionLimit = 500;

    private readonly ConcurrentDictionary<uint, int> _users = new();
    private int _sessions;

    /// <summary>Sessions of all users.</summary>
    public int Count => Volatile.Read(ref _sessions);

    /// <summary>Counts a session of a user; false when there are too many, and then it is not counted.</summary>
    public bool TryEnter(uint uid)
    {
        // Counted in both places first, so that taking it back is the same as its end.
        var (all, mine) = (Interlocked.Increment(ref _sessions), _users.AddOrUpdate(uid, 1, (_, n) => n + 1));
        if (all <= SessionLimit && mine <= UserLimit)
        {
            return true;
        }
        Leave(uid);
        return false;
    }

    /// <summary>A session has ended.</summary>
    public void Leave(uint uid)
    {
        Interlocked.Decrement(ref _sessions);
        if (_users.AddOrUpdate(uid, 0, (_, n) => n - 1) == 0)
        {
            _users.TryRemove(new KeyValuePair<uint, int>(uid, 0));
        }
    }
}
