using System.Text;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>A random but repeatable life of a spool, and the ledger of what the spool promised meanwhile.</summary>
internal sealed class Workload(int seed, IDisk disk, Ledger ledger)
{
    private readonly Random _random = new(seed);
    private readonly List<LedgerMessage> _open = [];
    private ISpool? _spool;
    private int _texts;

    public static SpoolOptions Options { get; } = new()
    {
        Directory = SimDisk.Root,
        FileSystem = static _ => 0,
        SegmentBytes = 4096,
        CheckpointBytes = 3000,
        LargeBytes = 1500,
        StagingBytes = 2048,
        UnsyncedBytes = 1500,
        FillBytes = 1024,
        ReserveBytes = 0,
        YoungSegments = 2,
        IdBlock = 16,
        StepEntries = 6,
    };

    /// <summary>Called when a call to the spool has returned and the ledger knows its result.</summary>
    public Action? Returned { get; set; }

    /// <summary>Called before each call with what it is: "open", "commit", "maintain", "other".</summary>
    public Action<string>? Phase { get; set; }

    public TestEvents Events { get; } = new();

    /// <summary>Calls that fail one after the other.</summary>
    public int Faults { get; init; }

    public bool Run(int steps)
    {
        Phase?.Invoke("open");
        try
        {
            _spool = Spool.Open(Options, disk, new TestTime(), Events);
        }
        catch (SpoolException)
        {
            return false;
        }
        Returned?.Invoke();
        for (var i = 0; i < steps; i++)
        {
            Phase?.Invoke("other");
            Step(_spool);
        }
        return true;
    }

    /// <summary>Ends what can be ended; the last commit must be durable.</summary>
    public CommitResult Finish()
    {
        var result = Commit(_spool!, true);
        // The failing calls may have been in this very commit: the next ones work.
        for (var i = 0; i < 16 && result != CommitResult.Durable; i++)
        {
            result = Commit(_spool!, true);
        }
        Assert.True(result != CommitResult.Durable || _spool!.StagedBytes == 0);
        _spool!.Dispose();
        return result;
    }

    public void Close() => _spool?.Dispose();

    private void Step(ISpool spool)
    {
        var alive = ledger.Messages.Values.Where(m => m.IsAlive).ToList();
        var dice = _random.Next(100);
        switch (dice)
        {
            case < 22 when _open.Count < 3:
                Begin(spool);
                break;
            case < 36 when _open.Count > 0:
                End(spool, alive);
                break;
            case < 39 when _open.Count > 0:
                spool.Abort(Take().Id);
                break;
            case < 60 when alive.Count > 0:
                Outcome(spool, alive[_random.Next(alive.Count)]);
                break;
            case < 68 when alive.Count > 0:
                Change(spool, alive[_random.Next(alive.Count)]);
                break;
            case < 78 when alive.Count > 4:
                Delete(spool, alive[_random.Next(alive.Count)]);
                break;
            case 78:
                TakeMany(spool);
                break;
            case < 83 when alive.Count > 0:
                Claim(spool, alive[_random.Next(alive.Count)]);
                break;
            default:
                Commit(spool, _random.Next(3) != 0);
                break;
        }
    }

    // More numbers than a block holds, none of them used.
    private void TakeMany(ISpool spool)
    {
        for (var i = 0; i < 5 && spool.TryTakeIds(10, out var first); i++)
        {
            Assert.True(first > ledger.HighestId, "a message number was handed out twice");
            ledger.HighestId = first + 9;
            ledger.Version++;
            Returned?.Invoke();
        }
    }

    private void Begin(ISpool spool)
    {
        if (!spool.TryTakeIds(1, out var id))
        {
            return;
        }
        Assert.True(id > ledger.HighestId, "a message number was handed out twice");
        ledger.HighestId = id;
        ledger.Version++;
        var message = new LedgerMessage(id);
        ledger.Messages.Add(id, message);
        Returned?.Invoke();
        var pieces = _random.Next(10) == 0 ? _random.Next(3, 6) : _random.Next(0, 3);
        for (var i = 0; i < pieces; i++)
        {
            var content = Encoding.Latin1.GetBytes($"{id:x}.{i} ".PadRight(_random.Next(10, 600), (char)('a' + _random.Next(26))) + "\n");
            if (!spool.Content(id, content))
            {
                spool.Abort(id);
                message.Dead = true;
                return;
            }
            message.Content.AddRange(content);
        }
        _open.Add(message);
    }

    private void End(ISpool spool, List<LedgerMessage> alive)
    {
        var message = Take();
        var closed = alive.FirstOrDefault(m => m.State.Outcomes.Any(o => o.Unreported));
        var recipients = closed?.State.Outcomes.Where(o => o.Unreported).Select(o => o.Recipient).ToList();
        message.Envelope = new Envelope
        {
            Sender = closed is null ? $"s{message.Id}@example.com" : "",
            ContentSize = message.Content.Count,
            ArrivalMicros = (long)message.Id,
            Recipients = [.. Enumerable.Range(0, 3).Select(i => new EnvelopeRecipient($"r{i}@d{message.Id % 3}.example"))],
            Closes = closed is null ? null : new ClosedRecipients(closed.Id, recipients!),
        };
        var state = (QueueState)_random.Next(1, 4);
        var due = state == QueueState.Deferred ? _random.Next(1, 1000) : 0;
        message.Dead = false;
        if (!spool.End(message.Id, message.Envelope, state, due))
        {
            message.Dead = true;
            return;
        }
        Log(message, new LedgerChange(LedgerKind.End, state, due));
        if (closed is not null)
        {
            Log(closed, new LedgerChange(LedgerKind.Reported, Recipients: recipients, ByEnd: true));
        }
    }

    private void Outcome(ISpool spool, LedgerMessage message)
    {
        var detail = Encoding.Latin1.GetBytes($"t{_texts++}".PadRight(_random.Next(4, 80), '.'));
        var outcome = new SpoolOutcome(_random.Next(3), _random.Next(2) == 0, _random.Next(3) == 0, detail);
        spool.Outcome(message.Id, outcome);
        Log(message, new LedgerChange(LedgerKind.Outcome, Outcome: outcome));
    }

    private void Change(ISpool spool, LedgerMessage message)
    {
        switch (_random.Next(5))
        {
            case 0:
                spool.Reported(message.Id, [0, 2]);
                Log(message, new LedgerChange(LedgerKind.Reported, Recipients: [0, 2]));
                break;
            case 1:
                spool.Expire(message.Id);
                Log(message, new LedgerChange(LedgerKind.Expire));
                break;
            default:
                var state = (QueueState)_random.Next(1, 4);
                var due = _random.Next(1, 1000);
                spool.Move(message.Id, state, due);
                Log(message, new LedgerChange(LedgerKind.Move, state, due));
                break;
        }
    }

    private void Delete(ISpool spool, LedgerMessage message)
    {
        spool.Delete(message.Id);
        Log(message, new LedgerChange(LedgerKind.Delete));
    }

    private CommitResult Commit(ISpool spool, bool sync)
    {
        Phase?.Invoke("commit");
        var wrote = spool.StagedBytes > 0;
        var result = spool.Commit(sync);
        if (result is CommitResult.Durable or CommitResult.Written)
        {
            ledger.Committed(!spool.HasUnsynced, wrote);
        }
        else
        {
            // A segment that could not be sealed may show the batch, as one does that was full.
            var kept = ledger.Refused(result == CommitResult.NoSpace || spool.StagedBytes > 0 || Faults > 1);
            if (spool.StagedBytes == 0 && kept)
            {
                // What stays of the batch is in the next segment, or was written without the mail.
                ledger.Committed(true, true);
            }
        }
        if (spool.StagedBytes == 0)
        {
            Compare(spool);
        }
        Returned?.Invoke();
        Phase?.Invoke("maintain");
        for (var i = 0; i < 50 && spool.Maintain(); i++)
        {
        }
        Returned?.Invoke();
        return result;
    }

    private void Claim(ISpool spool, LedgerMessage message)
    {
        Assert.Equal(message.Written > 0 && !message.Claimed, spool.Claim(message.Id));
        message.Claimed |= message.Written > 0;
    }

    // Nothing is staged: the index shows all that was logged, each change once; the orders show all but what is claimed.
    private void Compare(ISpool spool)
    {
        var entries = new SpoolEntry[5];
        var listed = new HashSet<ulong>();
        foreach (var state in Enum.GetValues<QueueState>())
        {
            SpoolCursor cursor = default;
            for (int n; (n = spool.Next(state, long.MaxValue, ref cursor, entries)) > 0;)
            {
                listed.UnionWith(entries[..n].Select(e => e.Id));
            }
        }
        var due = long.MaxValue;
        foreach (var message in ledger.Messages.Values)
        {
            var (state, there) = (message.State, spool.TryGet(message.Id, out var entry));
            Require(there == (message.Log.Count > 0 && state.Exists), $"{message.Id:x}: is {(there ? "" : "not ")}there");
            if (there)
            {
                var signature = LedgerState.Signature(entry, spool.Read(message.Id)!.Outcomes);
                Require(signature == state.Signature(), $"{message.Id:x}: '{signature}' is not '{state.Signature()}'");
                Require(listed.Contains(message.Id) != message.Claimed, $"{message.Id:x}: {(message.Claimed ? "claimed and" : "not")} listed");
                due = state.Queue == QueueState.Deferred && !message.Claimed ? Math.Min(due, state.Due) : due;
            }
        }
        Require(spool.NextDueSeconds == due, $"next due at {spool.NextDueSeconds}, not {due}");
    }

    private static void Require(bool holds, string text)
    {
        if (!holds)
        {
            throw new CrashFoundException(text);
        }
    }

    private LedgerMessage Take()
    {
        var at = _random.Next(_open.Count);
        var message = _open[at];
        _open.RemoveAt(at);
        message.Dead = true;
        return message;
    }

    private void Log(LedgerMessage message, LedgerChange change)
    {
        message.Log.Add(change);
        message.Forget();
        ledger.Version++;
    }
}
