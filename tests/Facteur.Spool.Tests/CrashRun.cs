namespace Facteur.Spool.Tests;

/// <summary>
/// One workload with a crash at every instant: after each operation of the disk and after each answer of the spool, all prefixes of the
/// pending operations, all subsets of the last eight, each pending write torn at every 512 bytes from the front and from the back,
/// and the death of the process alone.
/// </summary>
internal sealed class CrashRun
{
    private const int SubsetLimit = 8;

    private readonly SimDisk _sim = new();
    private readonly Ledger _ledger = new();
    private readonly CrashChecker _checker;
    private readonly int _seed;
    private int _instant;
    private int _version = -1;
    private int _pending = -1;

    public CrashRun(int seed)
    {
        _seed = seed;
        _checker = new CrashChecker(_ledger);
        _sim.Changed = () => AtInstant(true);
    }

    public long States => _checker.States;

    public SimDisk Sim => _sim;

    /// <summary>Runs; a broken promise throws.</summary>
    public long Run(int steps, IDisk? disk = null, Action<string>? phase = null)
    {
        var workload = new Workload(_seed, disk ?? _sim, _ledger) { Returned = () => AtInstant(false), Phase = phase };
        workload.Run(steps);
        workload.Finish();
        return States;
    }

    private void AtInstant(bool changed)
    {
        if (!changed && _version == _ledger.Version && _pending == _sim.Pending.Count)
        {
            return;
        }
        _version = _ledger.Version;
        var grown = changed && _sim.Pending.Count == _pending + 1;
        _pending = _sim.Pending.Count;
        _instant++;
        Subsets(grown);
        Prefixes();
        Tears(grown);
        if (_instant % 4 == 0)
        {
            _checker.CheckKill(_sim.AfterKill(), $"seed {_seed} instant {_instant} kill");
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
                    $"seed {_seed} instant {_instant} subset {subset:x} of {n}", _checker.States % 32 == 0);
            }
        }
    }

    private void Prefixes()
    {
        for (var kept = 0; kept < _sim.Pending.Count - SubsetLimit; kept++)
        {
            _checker.Check(_sim.AfterCut(i => i < kept), $"seed {_seed} instant {_instant} prefix {kept} of {_sim.Pending.Count}");
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
                var what = $"seed {_seed} instant {_instant} write {i} of {_sim.Pending.Count} torn at {at}";
                var torn = i;
                _checker.Check(_sim.AfterCut(k => k != torn, torn, 0, at), what);
                _checker.Check(_sim.AfterCut(k => k != torn, torn, at, op.Bytes.Length), what + " from the back");
            }
        }
    }
}
