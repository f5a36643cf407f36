using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver.Error;
using Facteur.Services.Queue.Qmgr;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>qmgr in virtual time: every delivery takes as long and ends as the test says.</summary>
internal sealed class QmgrSimulation : IRewrite, IBounce
{
    private readonly PriorityQueue<DeliveryResult, long> _ends = new();
    private readonly Queue<Action> _posted = new();
    private ulong _ids;

    public QmgrSimulation(params (string Name, string Value)[] config)
    {
        Settings = new QmgrSettings(new TestConfig(config), name => new TransportEntry(0, name == "virtual"));
        Qmgr = new Services.Queue.Qmgr.Qmgr(Spool, this, this, Settings, new ServiceLog(Log, "postfix/qmgr"), Time, action =>
        {
            lock (_posted)
            {
                _posted.Enqueue(action);
            }
        })
        {
            Probed = (address, verdict) => Probed.Add($"{address} {verdict.Status} {verdict.Text}"),
        };
    }

    public ManualTime Time { get; } = new();

    public TestLog Log { get; } = new();

    public MemorySpool Spool { get; } = new();

    public QmgrSettings Settings { get; }

    public Services.Queue.Qmgr.Qmgr Qmgr { get; }

    public List<DeliveryRequest> Requests { get; } = [];

    public List<ReportRequest> Reports { get; } = [];

    /// <summary>What probes found.</summary>
    public List<string> Probed { get; } = [];

    public ReportResult ReportAnswer { get; set; } = ReportResult.Discarded;

    /// <summary>Reports of these kinds can't be made.</summary>
    public HashSet<ReportKind> Unmade { get; } = [];

    /// <summary>Reports end when this does.</summary>
    public Task ReportsEnd { get; set; } = Task.CompletedTask;

    /// <summary>How long a delivery takes and how it ends.</summary>
    public Func<DeliveryRequest, (TimeSpan Takes, DeliveryResult Result)> Deliver { get; set; } =
        static request => (TimeSpan.FromMilliseconds(10), Ok(request));

    /// <summary>Where a recipient goes, null for its domain by smtp.</summary>
    public Func<string, ValueTask<Resolution>>? Resolver { get; set; }

    /// <summary>The retry service is missing in master.cf.</summary>
    public bool RetryFails { get; set; }

    public int UnderWay => _ends.Count;

    private long Now => Time.GetUtcNow().Ticks;

    public static DeliveryResult Ok(DeliveryRequest request) =>
        new(request.RequestId, [.. request.Recipients.Select(r => new RecipientResult(r.Index, DeliveryStatus.Sent("ok", DsnAction.None)))]);

    public static DeliveryResult Fail(DeliveryRequest request, DeliveryStatus status) =>
        new(request.RequestId, [.. request.Recipients.Select(r => new RecipientResult(r.Index, status))]);

    public static DeliveryResult Unreachable(DeliveryRequest request) =>
        new(request.RequestId, [], DeliveryStatus.Deferred(4, 1, $"connect to {request.Nexthop}[192.0.2.1]:25: Connection refused"));

    public ulong Submit(string sender, params string[] recipients) =>
        Submit(new Envelope { Sender = sender, Recipients = [.. recipients.Select(r => new EnvelopeRecipient(r))] });

    public ulong Submit(Envelope envelope)
    {
        var id = ++_ids;
        envelope.ArrivalMicros = envelope.ArrivalMicros != 0 ? envelope.ArrivalMicros : (Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        envelope.ContentSize = 10;
        Spool.Content(id, new byte[10]);
        Spool.End(id, envelope);
        Spool.Commit(true);
        Qmgr.Arrived(id);
        return id;
    }

    /// <summary>One turn of the engine at this instant.</summary>
    public void Turn()
    {
        while (true)
        {
            Action? action;
            lock (_posted)
            {
                _posted.TryDequeue(out action);
            }
            if (action is null)
            {
                break;
            }
            action();
        }
        while (_ends.TryPeek(out var result, out var at) && at <= Now)
        {
            _ends.Dequeue();
            Qmgr.Finished(result);
        }
        Commit();
        while (Qmgr.Fill())
        {
        }
        while (Qmgr.Next() is { } request)
        {
            Requests.Add(request);
            var (takes, result) = request.Transport is "retry" or "error"
                ? (TimeSpan.Zero, RetryFails ? Unreachable(request) : Fail(request, ErrorAgent.Status(request.Nexthop, request.Transport == "retry")))
                : Deliver(request);
            _ends.Enqueue(result with { RequestId = request.RequestId }, Now + takes.Ticks);
        }
        Commit();
    }

    private void Commit()
    {
        Spool.Commit(false);
        Qmgr.Leaving.Clear();
    }

    /// <summary>Runs until nothing is left to do before the limit.</summary>
    public void Run(TimeSpan limit)
    {
        var end = Now + limit.Ticks;
        while (true)
        {
            Turn();
            Settle();
            var next = _ends.TryPeek(out _, out var at) ? at : long.MaxValue;
            if (Qmgr.NextMicros < long.MaxValue / 10)
            {
                next = Math.Min(next, Qmgr.NextMicros * 10 + DateTimeOffset.UnixEpoch.UtcTicks);
            }
            if (next > end)
            {
                break;
            }
            Time.Advance(TimeSpan.FromTicks(Math.Max(next - Now, 0)));
        }
        Time.Advance(TimeSpan.FromTicks(Math.Max(end - Now, 0)));
    }

    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) => new(address);

    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        Resolver is { } other ? other(recipient) : new(new Resolution("smtp", AddressParts.Split(recipient).Domain, recipient, ResolveFlags.Default));

    public async ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel)
    {
        lock (Reports)
        {
            Reports.Add(request);
        }
        await ReportsEnd;
        Interlocked.Increment(ref _answered);
        return Unmade.Contains(request.Kind) ? ReportResult.TryAgain : ReportAnswer;
    }

    private int _answered;

    /// <summary>Reports run on the thread pool: wait for their answers, or where those are held back, for the questions.</summary>
    private void Settle()
    {
        for (var i = 0; i < 2000 && Qmgr.ReportsUnderWay > 0; i++)
        {
            lock (Reports)
            {
                if (!ReportsEnd.IsCompleted && Reports.Count >= _answered + Qmgr.ReportsUnderWay)
                {
                    break;
                }
            }
            lock (_posted)
            {
                if (_posted.Count > 0)
                {
                    break;
                }
            }
            Thread.Sleep(1);
        }
        if (_posted.Count > 0)
        {
            Turn();
            Settle();
        }
    }
}
