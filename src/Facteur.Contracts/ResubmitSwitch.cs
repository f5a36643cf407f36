using System.IO.Pipelines;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>
/// The arrow → cleanup for mail made inside, to a cleanup that comes and goes: a message of one that goes is lost, and made again later by who made it.
/// While there is none a message waits for the next one: what was done before it (a mailbox that has its copy) would else be done twice.
/// </summary>
public sealed class ResubmitSwitch(TimeProvider time) : IResubmit, IDisposable
{
    /// <summary>How long a message waits: receive is begun anew within a second, and with back-off when it can't live.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ResubmitClient? _client;

    /// <summary>A cleanup came; the one before gets no more, and ends what it has: it may be leaving, or gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        ResubmitClient? before;
        TaskCompletionSource came;
        lock (_gate)
        {
            before = _client;
            _client = new ResubmitClient(link);
            came = _came;
            _came = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        before?.Retire();
        came.SetResult();
    }

    /// <inheritdoc/>
    public IResubmitMessage Begin(Envelope envelope) => There()?.Begin(envelope) ?? new LateMessage(this, envelope);

    /// <inheritdoc/>
    public void Probed(string address, AddressVerdict verdict) => _client?.Probed(address, verdict);

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();

    private ResubmitClient? There() => _client is { IsClosed: false } client ? client : null;

    private async ValueTask<ResubmitClient?> ComesAsync(CancellationToken cancel)
    {
        for (var since = time.GetTimestamp(); ;)
        {
            Task came;
            lock (_gate)
            {
                if (There() is { } client)
                {
                    return client;
                }
                came = _came.Task;
            }
            var left = Patience - time.GetElapsedTime(since);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }
            try
            {
                await came.WaitAsync(left, time, cancel).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return null;
            }
        }
    }

    /// <summary>A message that begins when a cleanup comes.</summary>
    private sealed class LateMessage(ResubmitSwitch owner, Envelope envelope) : IResubmitMessage
    {
        private IResubmitMessage? _message;
        private bool _given;

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            if (await BegunAsync(cancel).ConfigureAwait(false) is { } message)
            {
                await message.WriteAsync(content, cancel).ConfigureAwait(false);
            }
        }

        public async ValueTask<ResubmitResult> EndAsync(CancellationToken cancel) => await BegunAsync(cancel).ConfigureAwait(false) is { } message
            ? await message.EndAsync(cancel).ConfigureAwait(false) : new ResubmitResult(new CleanupResult(CleanupStatus.WriteError), "");

        public void Dispose() => _message?.Dispose();

        private async ValueTask<IResubmitMessage?> BegunAsync(CancellationToken cancel)
        {
            if (!_given)
            {
                _given = true;
                _message = (await owner.ComesAsync(cancel).ConfigureAwait(false))?.Begin(envelope);
            }
            return _message;
        }
    }
}
