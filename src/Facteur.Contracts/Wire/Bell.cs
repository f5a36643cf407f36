namespace Facteur.Contracts.Wire;

/// <summary>Wakes one thread. Rings while it works are kept, so that none is lost and none costs more than one wake-up.</summary>
public class Bell
{
    private readonly object _gate = new();
    private int _rung;
    private bool _waiting;

    /// <summary>Wakes the waiter, or lets its next wait return at once.</summary>
    public virtual void Ring()
    {
        if (Interlocked.Exchange(ref _rung, 1) != 0)
        {
            return;
        }
        lock (_gate)
        {
            if (_waiting)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Waits for a ring, at most so long; one thread only.</summary>
    public virtual void Wait(TimeSpan limit)
    {
        lock (_gate)
        {
            if (Volatile.Read(ref _rung) == 0)
            {
                _waiting = true;
                Monitor.Wait(_gate, limit);
                _waiting = false;
            }
            Volatile.Write(ref _rung, 0);
        }
    }
}

/// <summary>The reading end of a link whose news comes by its bell's own waiting: <see cref="System.IO.Pipelines.PipeReader.TryRead"/> is asked anew at each poll.</summary>
public interface IPolledReader
{
    /// <summary>The bell that waits for this link too.</summary>
    Bell Bell { get; }
}
