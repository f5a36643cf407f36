using Facteur.Contracts.Wire;
using Facteur.Unix;

namespace Facteur.Services.Master.Links;

/// <summary>
/// A bell that waits for links between processes too: one thread sleeps in poll(2) for its links' bytes and for rings, so that what arrives
/// costs no hand-over to it.
/// </summary>
internal sealed unsafe class PollBell : Bell, IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<StreamLink> _links = [];
    private int _event;
    private Libc.PollFd[] _polled = new Libc.PollFd[4];
    private StreamLink[] _watched = [];
    private int _rung;
    private int _asleep;

    /// <summary>A bell without links.</summary>
    /// <exception cref="IOException">There are no descriptors left.</exception>
    public PollBell()
    {
        _event = Libc.eventfd(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC);
        if (_event < 0)
        {
            throw new IOException($"eventfd: {Errno.Text(System.Runtime.InteropServices.Marshal.GetLastPInvokeError())}");
        }
    }

    /// <inheritdoc/>
    public override void Ring()
    {
        if (Interlocked.Exchange(ref _rung, 1) == 0 && Volatile.Read(ref _asleep) != 0)
        {
            // Under the gate: the number of a closed one may be another's by now.
            lock (_gate)
            {
                ulong one = 1;
                _ = _event < 0 ? 0 : Libc.write(_event, (byte*)&one, sizeof(ulong));
            }
        }
    }

    /// <inheritdoc/>
    public override void Wait(TimeSpan limit)
    {
        Interlocked.Exchange(ref _asleep, 1);
        var written = Volatile.Read(ref _rung) == 0 && Poll(limit);
        Volatile.Write(ref _asleep, 0);
        Interlocked.Exchange(ref _rung, 0);
        // Whatever the ring: one may write after its wait is over, and would end every poll from then on.
        if (written)
        {
            ulong count;
            _ = Libc.read(_event, (byte*)&count, sizeof(ulong));
        }
    }

    /// <summary>Waits for a link from now on.</summary>
    public void Add(StreamLink link)
    {
        lock (_gate)
        {
            _links.Add(link);
        }
        Ring();
    }

    /// <summary>Waits for it no longer; it may be closed once this has returned and the waiter has turned.</summary>
    public void Remove(StreamLink link)
    {
        lock (_gate)
        {
            _links.Remove(link);
        }
        Ring();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _ = _event < 0 ? 0 : Libc.close(_event);
            _event = -1;
        }
    }

    /// <returns>Whether a ring has written.</returns>
    private bool Poll(TimeSpan limit)
    {
        int count;
        lock (_gate)
        {
            count = _links.Count;
            if (_watched.Length < count)
            {
                _watched = new StreamLink[count * 2];
                _polled = new Libc.PollFd[count * 2 + 1];
            }
            for (var i = 0; i < count; i++)
            {
                _watched[i] = _links[i];
                _polled[i + 1] = new Libc.PollFd { Fd = _links[i].Fd, Events = (short)(Libc.POLLIN | (_links[i].WantsToWrite ? Libc.POLLOUT : 0)) };
            }
        }
        _polled[0] = new Libc.PollFd { Fd = _event, Events = Libc.POLLIN };
        // Rounded up: a wait cut short would be repeated until the clock is there.
        var wait = limit == Timeout.InfiniteTimeSpan ? -1 : (int)Math.Min(Math.Ceiling(limit.TotalMilliseconds), int.MaxValue);
        int ready;
        fixed (Libc.PollFd* polled = _polled)
        {
            ready = Libc.poll(polled, (ulong)(count + 1), wait);
        }
        for (var i = 0; i < count && ready > 0; i++)
        {
            if ((_polled[i + 1].Returned & (Libc.POLLOUT | Libc.POLLERR | Libc.POLLHUP)) != 0)
            {
                _watched[i].Continue();
            }
            _watched[i] = null!;
        }
        return ready > 0 && _polled[0].Returned != 0;
    }
}
