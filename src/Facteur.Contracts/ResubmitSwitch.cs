using System.IO.Pipelines;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>The arrow → cleanup for mail made inside, to a cleanup that comes and goes: a message of one that is gone is lost, and made again later by who made it.</summary>
public sealed class ResubmitSwitch : IResubmit, IDisposable
{
    private volatile ResubmitClient? _client;

    /// <summary>A cleanup came; the one before is gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        var before = _client;
        _client = new ResubmitClient(link);
        before?.Dispose();
    }

    /// <inheritdoc/>
    public IResubmitMessage Begin(Envelope envelope) => _client is { } client ? client.Begin(envelope) : new NoMessage();

    /// <inheritdoc/>
    public void Probed(string address, AddressVerdict verdict) => _client?.Probed(address, verdict);

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();

    private sealed class NoMessage : IResubmitMessage
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<ResubmitResult> EndAsync(CancellationToken cancel) => new(new ResubmitResult(new CleanupResult(CleanupStatus.WriteError), ""));

        public void Dispose()
        {
        }
    }
}
