using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>How cleanup ended a message; each has its reply in smtpd and its words elsewhere (Postfix: CLEANUP_STAT_*).</summary>
public enum CleanupStatus : byte
{
    /// <summary>On stable storage.</summary>
    Ok = 0,

    /// <summary>451 4.3.0 Error: queue file write error.</summary>
    WriteError = 1,

    /// <summary>452 4.3.1 Insufficient system storage.</summary>
    NoSpace = 2,

    /// <summary>552 5.3.4 Error: message file too big.</summary>
    TooLarge = 3,

    /// <summary>554 5.4.0 Error: too many hops.</summary>
    TooManyHops = 4,

    /// <summary>A table or the rewriter can't answer now: 451 4.3.0.</summary>
    TryAgain = 5,

    /// <summary>Refused by a rule; the text says the reply.</summary>
    Rejected = 6,

    /// <summary>No recipients are left or were found.</summary>
    NoRecipients = 7,
}

/// <summary>The end of a message in cleanup.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Text">A text for the sender, or null for the status's own.</param>
/// <param name="Head">Of refused local mail the start of what would have been queued, all headers at least, for the report to its sender; else empty.</param>
public readonly record struct CleanupResult(CleanupStatus Status, string? Text = null, ReadOnlyMemory<byte> Head = default);

/// <summary>
/// The arrow smtpd, pickup, bounce, forward → cleanup. All mail enters here. Within the receive role it is a call; mail made in other
/// roles comes by <see cref="IResubmit"/>.
/// </summary>
public interface ICleanup
{
    /// <summary>Starts a message and gives it its queue id.</summary>
    /// <param name="envelope">Sender, client, options; recipients follow. Cleanup owns it from here on.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>The message, or null when no queue id can be had now (451 4.3.0 queue file write error).</returns>
    ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel);
}

/// <summary>One message on its way through cleanup. Dispose without <see cref="CompleteAsync"/> forgets it ("removed (canceled)").</summary>
public interface ICleanupMessage : IAsyncDisposable
{
    /// <summary>Its number.</summary>
    ulong Id { get; }

    /// <summary>Its queue id as text.</summary>
    string QueueId { get; }

    /// <summary>Adds a recipient as its sender wrote it.</summary>
    void AddRecipient(EnvelopeRecipient recipient);

    /// <summary>Adds all recipients found in To, Cc, Bcc (or their Resent- forms): sendmail -t.</summary>
    bool RecipientsFromHeaders { get; set; }

    /// <summary>Takes content: LF line ends, cut anywhere, a Received header of the caller first. The bytes are copied.</summary>
    /// <returns>Completes at once unless the queue asks to slow down. Errors are kept for <see cref="CompleteAsync"/>.</returns>
    ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel);

    /// <summary>Ends the message and waits until it is on stable storage or refused.</summary>
    ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel);
}
