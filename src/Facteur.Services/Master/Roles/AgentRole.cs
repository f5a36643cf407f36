using System.IO.Pipelines;
using Facteur.Contracts;
using Facteur.Spool;

namespace Facteur.Services.Master.Roles;

/// <summary>Delivery agents: deliver (smtp, lmtp, error, retry, discard) or local (local, virtual). What is delivered is told until the queue has written it down.</summary>
internal sealed class AgentRole : IAsyncDisposable
{
    // What a stop cuts then is made again by the next start.
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(5);

    /// <summary>How long a role that another takes the place of goes on: longer than any of its deliveries' own limits (command_time_limit, smtp_data_done_timeout).</summary>
    internal static readonly TimeSpan LeaveLimit = TimeSpan.FromMinutes(20);

    private readonly DeliveryServer _server;
    private readonly ResubmitSwitch _forward;
    private readonly TimeProvider _time;

    /// <summary>Makes the role; it serves once a queue is attached.</summary>
    /// <param name="around">What generations take; this fills in what is its own.</param>
    /// <param name="reader">The queue's contents.</param>
    /// <param name="outlives">The queue may be gone and come again.</param>
    /// <param name="log">The log of master.</param>
    public AgentRole(Surroundings around, ISpoolReader reader, bool outlives, ServiceLog log)
    {
        _time = around.Time;
        around.Reader = reader;
        around.ForwardResubmit = _forward = new ResubmitSwitch(_time);
        _server = new DeliveryServer(new AgentSwitch(around.Generation).Of, log, outlives, _time);
    }

    /// <summary>A queue came; the one before is gone.</summary>
    public void Attach(IDuplexPipe link) => _server.Attach(link);

    /// <summary>A cleanup for forwards came.</summary>
    public void AttachForward(IDuplexPipe link) => _forward.Attach(link);

    /// <summary>For a stop: begins nothing more, and waits a moment until the deliveries under way have ended and the queue has their results in its journal.</summary>
    public ValueTask StopAsync() => DrainAsync(StopLimit, begins: false);

    /// <summary>Others have this one's place: waits until the deliveries under way have ended and the queue has their results in its journal; from then on nothing is begun.</summary>
    public ValueTask LeaveAsync() => DrainAsync(LeaveLimit, begins: true);

    private async ValueTask DrainAsync(TimeSpan limit, bool begins)
    {
        for (var since = _time.GetTimestamp(); !_server.TryEnd(begins) && _time.GetElapsedTime(since) < limit;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _time).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _forward.Dispose();
        return ValueTask.CompletedTask;
    }
}
