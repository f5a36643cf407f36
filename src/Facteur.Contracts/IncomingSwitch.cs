using System.IO.Pipelines;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>The arrow cleanup → incoming to a queue that comes and goes: messages of one that is gone are refused, new ones go to the next.</summary>
public sealed class IncomingSwitch : IIncoming, IDisposable
{
    private readonly Absent _absent = new();
    private volatile IncomingClient? _client;

    /// <inheritdoc/>
    public IIncoming Now => _client is { } client ? client : _absent;

    /// <summary>A queue came; the one before is gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        var before = _client;
        _client = new IncomingClient(link);
        before?.Dispose();
    }

    /// <inheritdoc/>
    public ValueTask<ulong> TakeIdAsync(CancellationToken cancel) => Now.TakeIdAsync(cancel);

    /// <inheritdoc/>
    public ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel) => Now.ContentAsync(id, content, cancel);

    /// <inheritdoc/>
    public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel) =>
        Now.EndAsync(id, lastContent, envelope, cancel);

    /// <inheritdoc/>
    public void Abort(ulong id) => Now.Abort(id);

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();

    private sealed class Absent : IIncoming
    {
        public ValueTask<ulong> TakeIdAsync(CancellationToken cancel) => new(0UL);

        public ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel) => new(CleanupStatus.WriteError);

        public void Abort(ulong id)
        {
        }
    }
}
