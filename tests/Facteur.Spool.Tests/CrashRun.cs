namespace Facteur.Spool.Tests;

/// <summary>
/// One workload with a crash at every instant: after each operation of the disk and after each answer of the spool, all prefixes of the
/// pending operations, all subsets of the last eight, each pending write torn at every 512 bytes from the front and from the back,
/// and the death of the process alone. With a fault, one call of the disk fails and fewer crashes are tried from there on.
/// </summary>
internal sealed class CrashRun
{
    private const int SubsetLimit = 8;

    private readonly SimDisk _sim = new();
    private readonly Ledger _ledger = new();
    private readonly CrashChecker _checker;
    private readonly int _seed;
    private readonly int _faultAt;
    private readonly int _errno;
    private readonly int _faults;
    private int _calls;
    private int _instant;
    private int _version = -1;
    private int _pending = -1;

    public CrashRun(int seed, int faultAt = 0, int errno = 0, string kind = "", Mutation mutation = Mutation.None, int faults = 1)
    {
        (_seed, _faultAt, _errno, _faults) = (seed, faultAt, errno, faults);
        _checker = new CrashChecker(_ledger, image => mutation == Mutation.None ? image : new MutantDisk(image, kind, mutation));
        _sim.Changed = () => AtInstant(true);
        _sim.Fault = (_, _) => ++_calls >= faultAt && _calls - faultAt < faults && faultAt > 0 ? errno : 0;
        Disk = new MutantDisk(_sim, kind, mutation);
    }

    public long States => _checker.States;

    public MutantDisk Disk { get; }

    public int Calls => _calls;

    public TestEvents? Events { get; private set; }

    /// <summary>Runs; a broken promise throws.</summary>
    public long Run(int steps)
    {
        var workload = new Workload(_seed, Disk, _ledger) { Returned = () => AtInstant(false), Phase = phase => Disk.Phase = phase, Faults = _faults };
        Events = workload.Events;
        if (workload.Run(steps))
        {
            if (workload.Finish() != CommitResult.Durable)
            {
                throw new CrashFoundException($"{Name} the last commit failed");
            }
            if (workload.Events.Damages.Count > 0)
            {
                throw new CrashFoundException($"{Name} damage reported without any");
            }
        }
        _checker.Check(_sim.AfterCut(_ => false), $"{Name} at the end");
        return States;
    }

    private string Name => $"seed {_seed} fault {_errno} x{_faults} at {_faultAt} instant {_instant}";

    private void AtInstant(bool changed)
    {
        if ((!changed && _version == _ledger.Version && _pending == _sim.Pending.Count) || _calls < _faultAt)
        {
            return;
        }
        _version = _ledger.Version;
        var grown = changed && _sim.Pending.Count == _pending + 1;
        _pending = _sim.Pending.Count;
        _instant++;
        if (_faultAt > 0)
        {
            _checker.Check(_sim.AfterCut(_ => false), $"{Name} none kept");
            _checker.Check(_sim.AfterCut(_ => true), $"{Name} all kept");
            _checker.Check(_sim.AfterCut(i => (i * 7 + _instant) % 3 != 0), $"{Name} some kept");
            return;
        }
        Subsets(grown);
        Prefixes();
        Tears(grown);
        if (_instant % 4 == 0)
        {
            _checker.CheckKill(_sim.AfterKill(), $"{Name} kill");
        }
    }

    // Without the newest operation the disk is one of those checked before it.
    private void Subsets(bool grown)
    {
        var n = _sim.Pending.Count;
        var free = Math.Min(n, SubsetLimit);
        for (var subset = 0; subset < 1 << free; subset++)
        {
            if (!grown || (subset >> (free - 1) & 1) != 0)
            {
                _checker.Check(
                    _sim.AfterCut(i => i < n - free || (subset >> (i - n + free) & 1) != 0),
                    $"{Name} subset {subset:x} of {n}", _checker.States % 32 == 0);
            }
        }
    }

    private void Prefixes()
    {
        for (var kept = 0; kept < _sim.Pending.Count - SubsetLimit; kept++)
        {
            _checker.Check(_sim.AfterCut(i => i < kept), $"{Name} prefix {kept} of {_sim.Pending.Count}");
        }
    }

    private void Tears(bool grown)
    {
        for (var i = grown ? _sim.Pending.Count - 1 : 0; i < _sim.Pending.Count; i++)
        {
            var op = _sim.Pending[i];
            if (op.Kind != SimKind.Write)
            {
                continue;
            }
            for (var at = 512 - op.Offset % 512; at < op.Bytes!.Length; at += 512)
            {
                var what = $"{Name} write {i} of {_sim.Pending.Count} torn at {at}";
                var torn = i;
                _checker.Check(_sim.AfterCut(k => k != torn, torn, 0, at), what);
                _checker.Check(_sim.AfterCut(k => k != torn, torn, at, op.Bytes.Length), what + " from the back");
            }
        }
    }
}
