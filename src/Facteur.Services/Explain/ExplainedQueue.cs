using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Explain;

/// <summary>A queue that keeps nothing but the last envelope: what cleanup would have handed on.</summary>
internal sealed class ExplainedQueue : IIncoming
{
    /// <summary>The envelope of the last message that cleanup accepted; null when there is none.</summary>
    public Envelope? Last { get; set; }

    public ValueTask<ulong> TakeIdAsync(CancellationToken cancel) => new(1UL);

    public ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

    public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel)
    {
        // A notice about the session is not what was asked for.
        Last = envelope.Origin == MessageOrigin.Notice ? Last : envelope;
        return new(CleanupStatus.Ok);
    }

    public void Abort(ulong id)
    {
        // Nothing was kept.
    }
}
