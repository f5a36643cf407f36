using Facteur.Unix;

namespace Facteur.Services.Server;

/// <summary>
/// Own threads for work that blocks: files, locks, syncs, the user database. Threads start when there is work and none is idle, up to a bound,
/// and end after a while without work. They hold no supplementary groups, so that <see cref="FileIdentity"/> is all they are.
/// </summary>
public sealed class BlockingThreads : IDisposable
{
    private const int WaitingLimit = 10_000;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);

    private readonly Queue<Action> _work = new();
    // A monitor, for whoever waits for it sleeps at once: a semaphore's waiters spin first, which with a thread per delivery is most of what they do.
    private readonly object _gate = new();
    private readonly SemaphoreSlim _room = new(WaitingLimit);
    private readonly int _limit;
    private readonly string _name;
    private int _threads;
    private int _idle;
    private bool _ended;

    /// <summary>Makes the set; no thread starts yet.</summary>
    /// <param name="name">Name of the threads.</param>
    /// <param name="limit">Most threads.</param>
    public BlockingThreads(string name, int limit)
    {
        _name = name;
        _limit = limit;
    }

    /// <summary>Runs work on one of the threads. What it throws comes to the caller.</summary>
    /// <param name="work">The work.</param>
    /// <param name="cancel">Ends waiting for room; work that began is not interrupted.</param>
    public async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancel)
    {
        await _room.WaitAsync(cancel).ConfigureAwait(false);
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Add(() =>
        {
            _room.Release();
            try
            {
                done.SetResult(work());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return await done.Task.ConfigureAwait(false);
    }

    /// <summary>Threads end when the work that was given is done.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Add(Action work)
    {
        var start = false;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            _work.Enqueue(work);
            // Idle ones that were woken and have not come yet count, as the work does that they were woken for.
            if (_work.Count > _idle && _threads < _limit)
            {
                _threads++;
                start = true;
            }
            else
            {
                Monitor.Pulse(_gate);
            }
        }
        if (start)
        {
            new Thread(Work, 256 * 1024) { IsBackground = true, Name = _name }.Start();
        }
    }

    private void Work()
    {
        FileIdentity.DropGroups();
        while (Next() is { } work)
        {
            work();
        }
    }

    /// <summary>The next work; null when there was none for a while, or will be none: the thread ends.</summary>
    private Action? Next()
    {
        lock (_gate)
        {
            _idle++;
            while (_work.Count == 0 && !_ended && Monitor.Wait(_gate, IdleLimit))
            {
            }
            _idle--;
            if (!_work.TryDequeue(out var work))
            {
                _threads--;
            }
            return work;
        }
    }
}
