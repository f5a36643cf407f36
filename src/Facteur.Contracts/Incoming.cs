using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>The arrow cleanup → incoming, seen from cleanup: ids, content, and "durable".</summary>
public interface IIncoming
{
    /// <summary>The queue of the moment: a message stays with the one that gave its number, and fails with it.</summary>
    IIncoming Now => this;

    /// <summary>A number for a new message; completes at once while a block is at hand.</summary>
    /// <returns>0 when the queue can't give one now.</returns>
    ValueTask<ulong> TakeIdAsync(CancellationToken cancel);

    /// <summary>Sends content of a message, in pieces of at most <see cref="ContentLayout.PieceLimit"/> bytes. Waits when the queue asks to slow down.</summary>
    ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel);

    /// <summary>Ends a message: its last content, its envelope, where it goes. Completes when it is durable or refused.</summary>
    ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel);

    /// <summary>Forgets a message of which content was sent.</summary>
    void Abort(ulong id);
}
