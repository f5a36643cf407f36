using System.Collections.Concurrent;
using System.IO.Pipelines;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>
/// The queue's engine: one thread that reads the links, is the committer, and runs the queue manager. Each turn takes what is there,
/// makes one commit of it, says "durable", then starts deliveries. No timer decides a batch: while one is being synced the next one gathers.
/// Invariants: "durable" is said only after a commit that said Durable; nothing on this thread waits for another role; while what was staged
/// of older messages can't be written, no message becomes active and no delivery starts, so that no more is staged than was under way.
/// </summary>
internal sealed class QmgrLoop : IIncomingSink, IDisposable
{
    /// <summary>Staged bytes after which a turn commits.</summary>
    private const long BatchBytes = 1 << 20;

    /// <summary>Results taken, and deliveries started, in one turn: new mail waits no longer than they take.</summary>
    private const int TurnLimit = 256;

    /// <summary>Messages ended in one turn after which no more are waited for.</summary>
    private const int GatherLimit = 8;

    /// <summary>Staged outcomes that are written without waiting for mail to ride with.</summary>
    private const long OutcomeBytes = 256 << 10;

    /// <summary>How long staged outcomes wait for mail to be written with: what the end of this process would lose, and the next one deliver again.</summary>
    private static readonly TimeSpan OutcomeWrite = TimeSpan.FromMilliseconds(10);

    /// <summary>How long outcomes without a sync of their own may wait for one.</summary>
    private static readonly TimeSpan OutcomeSync = TimeSpan.FromMilliseconds(100);

    /// <summary>How long deliveries wait for agents to come.</summary>
    private static readonly TimeSpan AgentsWait = TimeSpan.FromSeconds(2);

    /// <summary>How long deliveries wait for agents that are there and may be at work for an earlier queue: what is begun before they say so may be delivered twice.</summary>
    private static readonly TimeSpan SilentWait = TimeSpan.FromSeconds(30);

    /// <summary>How often to look whether the reserve can be made whole again.</summary>
    private static readonly TimeSpan ReserveLook = TimeSpan.FromSeconds(1);

    private readonly ISpool _spool;
    private readonly QmgrLog _log;
    private readonly TimeProvider _time;
    private readonly Bell _bell;
    private readonly ConcurrentQueue<Action> _inbox = new();
    private readonly List<IncomingServer> _writers = [];
    private readonly List<(IncomingServer From, ulong Id, Envelope Envelope)> _settling = [];
    private readonly List<(IncomingServer From, ulong Id)> _ended = [];
    private readonly List<(IncomingServer From, ulong Id, CleanupStatus Status)> _refused = [];
    private readonly Dictionary<ulong, IncomingServer> _open = [];
    private readonly Dictionary<ulong, CleanupStatus> _broken = [];
    private readonly List<TaskCompletionSource> _orders = [];
    private readonly Thread _thread;
    private readonly List<(AgentLink Link, bool Local)> _agents = [];
    private Qmgr? _qmgr;
    private Func<string, bool> _isLocal = static _ => false;
    private long _startedAt;
    private bool _scheduling;
    private long _unsyncedSince;
    private long _stagedSince;
    private CommitResult _last = CommitResult.Durable;
    private bool _stuck;
    private volatile bool _stop;

    public QmgrLoop(ISpool spool, Bell bell, bool senderDependent, ServiceLog log, TimeProvider time)
    {
        Rewrite = new RewriteClient(senderDependent, time, bell.Ring);
        (_spool, _time, _bell) = (spool, time, bell);
        spool.WriteAside(_bell.Ring);
        _log = new QmgrLog(log);
        _thread = new Thread(Run) { IsBackground = true, Name = "queue" };
    }

    /// <summary>Where recipients go; its answers are taken in by this thread.</summary>
    public RewriteClient Rewrite { get; }

    /// <summary>Deliveries under way and messages active, for a drain.</summary>
    public (int UnderWay, int Active) Load { get; private set; }

    /// <summary>
    /// Starts the engine. Deliveries start once the agents have said what goes on for an earlier queue, or have not come within two seconds:
    /// what they are at work on must not be sent twice.
    /// </summary>
    /// <param name="qmgr">The queue manager.</param>
    /// <param name="isLocal">Whether a transport is of the local role, not of deliver.</param>
    public void Start(Qmgr qmgr, Func<string, bool> isLocal)
    {
        (_qmgr, _isLocal) = (qmgr, isLocal);
        _agents.Add((new AgentLink(qmgr, _bell.Ring), false));
        _agents.Add((new AgentLink(qmgr, _bell.Ring), true));
        _startedAt = _time.GetTimestamp();
        _thread.Start();
    }

    /// <summary>Delivery agents came: those of the local role, or the others.</summary>
    public void AttachAgents(IDuplexPipe link, bool local) => Post(() => Agents(local).Attach(link));

    /// <summary>trivial-rewrite came.</summary>
    public void AttachRewrite(IDuplexPipe link) => Post(() => Rewrite.Attach(link));

    /// <summary>Which transports are of the local role may have changed.</summary>
    public void Reroute(Func<string, bool> isLocal) => _isLocal = isLocal;

    private AgentLink Agents(bool local) => _agents[local ? 1 : 0].Link;

    /// <summary>Adds a writer: a receive role.</summary>
    public void Accept(IDuplexPipe writer) => Post(() => _writers.Add(new IncomingServer(writer, _bell.Ring)));

    /// <summary>Runs something on the engine's thread.</summary>
    public void Post(Action action)
    {
        _inbox.Enqueue(action);
        _bell.Ring();
    }

    /// <summary>Asks something of the engine.</summary>
    public Task<T> RunAsync<T>(Func<T> question, CancellationToken cancel)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() =>
        {
            try
            {
                done.TrySetResult(question());
            }
            catch (Exception e)
            {
                // The asker must not wait for ever for a fault of ours.
                done.TrySetException(e);
            }
        });
        return done.Task.WaitAsync(cancel);
    }

    /// <summary>Gives an order; its answer comes once what it staged is on stable storage.</summary>
    /// <exception cref="IOException">The disk refused.</exception>
    public async Task<T> RunDurableAsync<T>(Func<T> order, CancellationToken cancel)
    {
        var durable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        T? answer = default;
        Post(() =>
        {
            try
            {
                answer = order();
                _orders.Add(durable);
            }
            catch (Exception e)
            {
                durable.TrySetException(e);
            }
        });
        await durable.Task.WaitAsync(cancel).ConfigureAwait(false);
        return answer!;
    }

    /// <summary>Ends the engine: what is staged is committed and synced, deliveries under way are left to the next start.</summary>
    public void Dispose()
    {
        _stop = true;
        _bell.Ring();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    void IIncomingSink.TakeIds(IncomingServer from, int count) => from.Ids(_spool.TryTakeIds(count, out var first) ? first : 0, first == 0 ? 0 : count);

    void IIncomingSink.Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content)
    {
        _open[id] = from;
        if (!_broken.ContainsKey(id) && !_spool.Content(id, content))
        {
            _broken.Add(id, Refusal);
        }
    }

    void IIncomingSink.End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope)
    {
        _open.Remove(id);
        if (_broken.Remove(id, out var refusal) || (!lastContent.IsEmpty && !_spool.Content(id, lastContent)))
        {
            _spool.Abort(id);
            _refused.Add((from, id, refusal == CleanupStatus.Ok ? Refusal : refusal));
        }
        else if (_spool.Settle(id))
        {
            EndMessage(from, id, envelope);
        }
        else
        {
            _settling.Add((from, id, envelope));
        }
    }

    private void EndMessage(IncomingServer from, ulong id, Envelope envelope)
    {
        if (_spool.End(id, envelope, (envelope.Flags & MessageFlags.Hold) != 0 ? QueueState.Hold : QueueState.Incoming))
        {
            _ended.Add((from, id));
        }
        else
        {
            _refused.Add((from, id, Refusal));
        }
    }

    void IIncomingSink.Abort(ulong id)
    {
        _open.Remove(id);
        _broken.Remove(id);
        // What has ended can't be taken back.
        if (!_settling.Exists(message => message.Id == id))
        {
            _spool.Abort(id);
        }
    }

    void IIncomingSink.Closed(IncomingServer from)
    {
        foreach (var id in _open.Where(o => o.Value == from).Select(o => o.Key).ToArray())
        {
            ((IIncomingSink)this).Abort(id);
        }
    }

    private CleanupStatus Refusal => _spool.OnReserve || _spool.RefusedForSpace || _last == CommitResult.NoSpace ? CleanupStatus.NoSpace : CleanupStatus.WriteError;

    private void Run()
    {
        while (!_stop)
        {
            try
            {
                Turn();
            }
            catch (Exception e)
            {
                // A fault of ours: say so, do not spin, and let the supervisor see that mail stands still.
                _log.Failed(e);
                _bell.Wait(TimeSpan.FromSeconds(1));
            }
        }
        try
        {
            End();
        }
        catch (Exception e)
        {
            _log.Failed(e);
        }
    }

    // Results that came meanwhile count, so that these deliveries are not made again by the next start.
    private void End()
    {
        while (TakeResults())
        {
        }
        EndSettled(wait: true);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            Commit(sync: true);
            if (_spool.StagedBytes == 0 && !_spool.HasUnsynced)
            {
                return;
            }
        }
        _log.LostAtStop(_spool.StagedBytes);
    }

    private void Turn()
    {
        // Orders and questions come first, when nothing of this turn is staged: one that commits (a listing) commits nobody's mail.
        var any = TakeOrders();
        any |= TakeIn();
        // Whoever is about to end a message gets this processor for a moment, as long as that brings more: on a fast disk a batch would else be one or two.
        for (var ended = 0; _ended.Count > ended && _ended.Count < GatherLimit;)
        {
            ended = _ended.Count;
            Thread.Yield();
            any |= TakeIn();
        }
        any |= _ended.Count + _orders.Count + _refused.Count > 0;
        Commit(sync: _ended.Count + _orders.Count > 0 || _qmgr!.SyncWanted);
        if (!_stuck)
        {
            any |= StartDeliveries();
        }
        Rewrite.Flush();
        var underWay = 0;
        foreach (var (agents, _) in _agents)
        {
            agents.Flush();
            underWay += agents.UnderWay;
        }
        Load = (underWay, _qmgr!.Active.Count);
        // Also while mail comes without a pause: one step each turn. It may end the use of the reserve: then deliveries start at once.
        var onReserve = _spool.OnReserve;
        if (!_spool.Maintain() && !any && onReserve == _spool.OnReserve)
        {
            _bell.Wait(WaitTime());
        }
    }

    private bool StartDeliveries()
    {
        if (!_scheduling && !(_scheduling = _agents.TrueForAll(a => a.Link.Ready) || _time.GetElapsedTime(_startedAt) >= (_agents.Exists(a => a.Link.Silent) ? SilentWait : AgentsWait)))
        {
            return false;
        }
        var any = _qmgr!.Fill();
        for (var left = TurnLimit; left > 0 && _qmgr.Next() is { } request; left--)
        {
            Agents(_isLocal(request.Transport)).Send(request);
            any = true;
        }
        return any;
    }

    private bool TakeOrders()
    {
        var any = false;
        while (_inbox.TryDequeue(out var action))
        {
            action();
            any = true;
        }
        return any;
    }

    /// <summary>Takes frames and results until a batch is full or nothing more is there.</summary>
    private bool TakeIn()
    {
        var any = EndSettled(wait: false);
        var full = _spool.StagedBytes + BatchBytes;
        for (var more = true; more && _spool.StagedBytes < full;)
        {
            more = false;
            for (var i = _writers.Count - 1; i >= 0; i--)
            {
                var writer = _writers[i];
                more |= writer.Poll(this);
                if (writer.Closed)
                {
                    ((IIncomingSink)this).Closed(writer);
                    _writers.RemoveAt(i);
                }
            }
            any |= more;
        }
        foreach (var writer in _spool.IsBehind ? [] : _writers)
        {
            writer.FlushCredit();
        }
        any |= Rewrite.Poll();
        return TakeResults() | any;
    }

    private bool EndSettled(bool wait)
    {
        var any = false;
        for (var i = 0; i < _settling.Count;)
        {
            var (from, id, envelope) = _settling[i];
            if (!wait && !_spool.Settle(id))
            {
                i++;
                continue;
            }
            // It ends once, whatever happens meanwhile.
            _settling.RemoveAt(i);
            EndMessage(from, id, envelope);
            any = true;
        }
        return any;
    }

    private bool TakeResults()
    {
        var any = false;
        foreach (var (agents, _) in _agents)
        {
            any |= agents.Poll(TurnLimit);
        }
        return any;
    }

    private void Commit(bool sync)
    {
        var now = _time.GetTimestamp();
        if (_spool.StagedBytes == 0 && !sync && !_spool.HasUnsynced)
        {
            _unsyncedSince = _stagedSince = 0;
            // Results that leave nothing to write.
            Written();
            Answer(CommitResult.Durable);
            return;
        }
        _unsyncedSince = _unsyncedSince == 0 ? now : _unsyncedSince;
        _stagedSince = _spool.StagedBytes == 0 ? 0 : _stagedSince == 0 ? now : _stagedSince;
        sync |= _time.GetElapsedTime(_unsyncedSince, now) >= OutcomeSync;
        if (!sync && (_stuck || _stagedSince == 0 || (_spool.StagedBytes < OutcomeBytes && _time.GetElapsedTime(_stagedSince, now) < OutcomeWrite)))
        {
            // Outcomes ride with the next mail, or with the clock; so does the next try of a commit that failed.
            Answer(CommitResult.Durable);
            return;
        }
        var wrote = _spool.StagedBytes > 0;
        var result = _spool.Commit(sync);
        var failed = result is CommitResult.NoSpace or CommitResult.Failed;
        _stagedSince = 0;
        _unsyncedSince = result == CommitResult.Durable ? 0 : failed ? now : _unsyncedSince;
        _stuck = failed && _spool.StagedBytes > 0;
        if (_spool.StagedBytes == 0)
        {
            _qmgr?.Leaving.Clear();
            Written();
        }
        Note(result, failed, wrote);
        _qmgr?.SyncWanted = false;
        Answer(result);
    }

    private void Written()
    {
        foreach (var (agents, _) in _agents)
        {
            agents.Written(_qmgr!.TakenElsewhere);
        }
        _qmgr?.TakenElsewhere.Clear();
    }

    // One line when commits begin to fail, one when something is written again.
    private void Note(CommitResult result, bool failed, bool wrote)
    {
        var before = _last is CommitResult.NoSpace or CommitResult.Failed;
        if (failed && !before)
        {
            _log.CommitFailed(result == CommitResult.NoSpace);
        }
        else if (!failed && before && wrote)
        {
            _log.CommitRecovered();
        }
        _last = failed || wrote ? result : _last;
    }

    private void Answer(CommitResult result)
    {
        var status = result switch
        {
            CommitResult.Durable => CleanupStatus.Ok,
            CommitResult.NoSpace => CleanupStatus.NoSpace,
            _ => CleanupStatus.WriteError,
        };
        foreach (var (from, id) in _ended)
        {
            from.Done(id, status);
        }
        foreach (var (from, id, why) in _refused)
        {
            from.Done(id, why);
        }
        _refused.Clear();
        foreach (var writer in _writers)
        {
            writer.Flush();
        }
        foreach (var done in _orders)
        {
            if (status == CleanupStatus.Ok)
            {
                done.TrySetResult();
            }
            else
            {
                done.TrySetException(new IOException("the queue could not be written"));
            }
        }
        _orders.Clear();
        if (status == CleanupStatus.Ok)
        {
            foreach (var (_, id) in _ended)
            {
                _qmgr?.Arrived(id);
            }
        }
        _ended.Clear();
    }

    private TimeSpan WaitTime()
    {
        if (_spool.StagedBytes > 0 && !_stuck)
        {
            return OutcomeWrite;
        }
        if (_spool.HasUnsynced || _spool.StagedBytes > 0)
        {
            return OutcomeSync;
        }
        if (_spool.OnReserve)
        {
            return ReserveLook;
        }
        if (!_scheduling)
        {
            return OutcomeSync;
        }
        var now = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        var wait = _qmgr!.NextMicros - now;
        return TimeSpan.FromMilliseconds(Math.Clamp(wait / 1000 + 1, 1, 60_000));
    }
}
