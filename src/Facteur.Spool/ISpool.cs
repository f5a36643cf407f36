using System.Diagnostics.CodeAnalysis;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>The queue a durable message is in. "active" is the scheduler's own state and not on disk; "maildrop" is a directory.</summary>
public enum QueueState : byte
{
    /// <summary>Accepted, not tried yet.</summary>
    Incoming = 1,

    /// <summary>Tried or postponed; due at a time.</summary>
    Deferred = 2,

    /// <summary>Kept until an operator releases it.</summary>
    Hold = 3,

    /// <summary>Damaged on disk; kept for the operator.</summary>
    Corrupt = 4,
}

/// <summary>How a commit ended.</summary>
public enum CommitResult : byte
{
    /// <summary>All that was staged is on stable storage.</summary>
    Durable = 1,

    /// <summary>Written and not synced, as asked; a later durable commit covers it.</summary>
    Written = 2,

    /// <summary>No room. No new message is there: answer 452 4.3.1. Outcomes, moves and deletes stay staged.</summary>
    NoSpace = 3,

    /// <summary>The disk failed. No new message is there: answer 451 4.3.0. The segment is sealed; outcomes, moves and deletes stay staged or are in the next one.</summary>
    Failed = 4,
}

/// <summary>What the index keeps in memory of one message; about 64 bytes each, all else is on disk.</summary>
/// <param name="Id">The message's number; never used twice while anything of it exists.</param>
/// <param name="State">Its queue.</param>
/// <param name="Size">Content bytes.</param>
/// <param name="ArrivalSeconds">Arrival, seconds since 1970.</param>
/// <param name="DueSeconds">Deferred: not before this time, seconds since 1970.</param>
/// <param name="Attempts">Number of defer records so far.</param>
/// <param name="DestinationHash">Hash of the destination domain of its open recipients, see <see cref="DestinationHash"/>.</param>
/// <param name="Expire">postsuper -e or -f was asked for.</param>
public readonly record struct SpoolEntry(
    ulong Id, QueueState State, long Size, long ArrivalSeconds, long DueSeconds, int Attempts, uint DestinationHash, bool Expire);

/// <summary>What became of one recipient, as kept in the journal: opaque to the spool but for the two flags.</summary>
/// <param name="Recipient">Index in the envelope.</param>
/// <param name="Done">The recipient needs no further delivery.</param>
/// <param name="Unreported">Done, but its report to the sender has not been made durable yet.</param>
/// <param name="Detail">The outcome, encoded by the queue manager.</param>
public readonly record struct SpoolOutcome(int Recipient, bool Done, bool Unreported, ReadOnlyMemory<byte> Detail);

/// <summary>A message read back from disk.</summary>
/// <param name="Entry">Its index entry.</param>
/// <param name="Envelope">Its envelope, as given to <see cref="ISpool.End"/>.</param>
/// <param name="Layout">Where its content lies now.</param>
/// <param name="Outcomes">The latest outcome of each recipient that has one.</param>
public sealed record SpoolMessage(SpoolEntry Entry, Envelope Envelope, ContentLayout Layout, IReadOnlyList<SpoolOutcome> Outcomes);

/// <summary>
/// The queues on disk, seen by their only writer. One thread (the queue's engine) calls everything here but <see cref="OpenReader"/>'s result.
/// Calls stage; <see cref="Commit"/> makes one write and, when asked, one sync of all that was staged since the last one.
/// The index changes when the commit succeeds and not before. A failed commit forgets the new messages it was to make durable; outcomes,
/// moves and deletes stay staged for the next commit, so that nothing done is done again.
/// </summary>
public interface ISpool : IDisposable
{
    /// <summary>Takes a block of message numbers; its end is durable when this returns. False when the disk refuses.</summary>
    /// <param name="count">How many, at most 65,536.</param>
    /// <param name="first">The first number; the others follow it.</param>
    bool TryTakeIds(int count, out ulong first);

    /// <summary>Stages content of a message not ended yet. Past 256 KiB of one message it goes to the message's own file.</summary>
    /// <param name="id">The message.</param>
    /// <param name="content">At most <see cref="ContentLayout.PieceLimit"/> bytes.</param>
    /// <returns>False when it can't be kept (no room, disk failed): the message must be aborted.</returns>
    bool Content(ulong id, ReadOnlySpan<byte> content);

    /// <summary>From now on a thread of its own writes, syncs and unlinks the files of long messages: once, before the first content.</summary>
    /// <param name="settled">Called on that thread when <see cref="Settle"/> or <see cref="IsBehind"/> has something new to say.</param>
    void WriteAside(Action settled);

    /// <summary>So much content of long messages waits to be written that no more should be asked for.</summary>
    bool IsBehind { get; }

    /// <summary>To be asked once all content of a message was given: whether its end can be staged without a wait.</summary>
    /// <returns>False while the message's own file is being made durable; <see cref="End"/> would wait for it.</returns>
    bool Settle(ulong id);

    /// <summary>Stages the end of a message: with the commit it is in its queue, all of it, or it is nowhere.</summary>
    /// <param name="id">The message.</param>
    /// <param name="envelope">Its envelope. Recipients it closes (<see cref="Envelope.Closes"/>) are marked reported in the same record.</param>
    /// <param name="state">Incoming, Deferred or Hold.</param>
    /// <param name="dueSeconds">When Deferred.</param>
    /// <returns>
    /// False when the message can't be kept: some of its content was lost with a failed commit, its own file could not be written, its record
    /// would be too long, or the disk is full. Then it is aborted and nothing of it is staged: answer 451 (452 when <see cref="OnReserve"/>).
    /// </returns>
    bool End(ulong id, Envelope envelope, QueueState state = QueueState.Incoming, long dueSeconds = 0);

    /// <summary>Forgets a message that was not ended.</summary>
    void Abort(ulong id);

    /// <summary>Stages the outcome of one recipient.</summary>
    void Outcome(ulong id, in SpoolOutcome outcome);

    /// <summary>Stages "report made": the recipients' <see cref="SpoolOutcome.Unreported"/> is cleared.</summary>
    void Reported(ulong id, IReadOnlyList<int> recipients);

    /// <summary>Stages a move: Deferred until a time (counts as an attempt), Hold, Incoming (released, flushed, requeued), or Corrupt.</summary>
    void Move(ulong id, QueueState state, long dueSeconds);

    /// <summary>Stages "expire": delivered to nobody any more, returned to the sender at the next attempt.</summary>
    void Expire(ulong id);

    /// <summary>Stages a delete. Files of its own are unlinked once the delete is durable.</summary>
    void Delete(ulong id);

    /// <summary>Bytes staged, with what a failed commit left to the next one; the engine commits before new ones pass 4 MiB.</summary>
    long StagedBytes { get; }

    /// <summary>Whether something written by an earlier commit without sync still waits for one, since when.</summary>
    bool HasUnsynced { get; }

    /// <summary>
    /// Writes what is staged. With sync false it may stay unsynced until the next durable commit, unless the end of a message is staged.
    /// After NoSpace or Failed the new messages are forgotten, with the marks their envelopes set; all else stays staged and the next commit
    /// tries it again, so a caller stages nothing twice, and starts nothing new meanwhile, for what is staged has no other bound.
    /// What earlier commits had written without a sync is not lost by a failure: it is written again.
    /// </summary>
    CommitResult Commit(bool sync);

    /// <summary>Background work in small steps: checkpoint, moving of living messages, freeing of segments. Call when idle and after each commit.</summary>
    /// <returns>True when there is more to do now.</returns>
    bool Maintain();

    /// <summary><see cref="Content"/> or <see cref="End"/> last said false because there was no room.</summary>
    bool RefusedForSpace { get; }

    /// <summary>The reserve is in use: no delivery may start whose outcome has no room.</summary>
    bool OnReserve { get; }

    /// <summary>Bytes still free in the spool's file system: what queue_minfree is compared with.</summary>
    long FreeBytes { get; }

    /// <summary>Looks up one message.</summary>
    bool TryGet(ulong id, out SpoolEntry entry);

    /// <summary>Reads a message's envelope, layout and outcomes from disk; null when it is gone or damaged (then it is in Corrupt and was logged).</summary>
    SpoolMessage? Read(ulong id);

    /// <summary>As <see cref="Read(ulong)"/>, and says when it is null because the disk refused for now (no descriptor, an I/O error): then nothing was staged.</summary>
    SpoolMessage? Read(ulong id, out bool refused);

    /// <summary>Messages in a queue.</summary>
    long Count(QueueState state);

    /// <summary>
    /// Next messages of a queue: Incoming by arrival, Deferred by due time (only those due at or before the time), others by number.
    /// Each call returns the next ones after the cursor; a new cursor is default.
    /// </summary>
    /// <returns>How many were written to the span.</returns>
    int Next(QueueState state, long dueBeforeSeconds, ref SpoolCursor cursor, Span<SpoolEntry> into);

    /// <summary>The same from the last to the first: each call returns those before the cursor; a new cursor is <see cref="SpoolCursor.End"/>.</summary>
    /// <returns>How many were written to the span.</returns>
    int Previous(QueueState state, ref SpoolCursor cursor, Span<SpoolEntry> into);

    /// <summary>
    /// All messages that are not claimed, whatever their queue, in the order of their places in the index. A message keeps its place as long as
    /// it exists, so one that moves between queues meanwhile is met once; one that is new may be met or not. Each call looks at as many
    /// places as the span has room for.
    /// </summary>
    /// <param name="place">Where to go on; 0 at first.</param>
    /// <param name="into">The messages found.</param>
    /// <param name="count">How many were written to the span.</param>
    /// <returns>True when there is more to look at.</returns>
    bool Scan(ref int place, Span<SpoolEntry> into, out int count);

    /// <summary>
    /// The queue manager has this message in its active queue: <see cref="Next"/> and <see cref="NextDueSeconds"/> pass it over until a move
    /// or delete of it is committed. In memory only: after a restart nothing is claimed.
    /// </summary>
    /// <returns>False when it is not there, or claimed already: it is active, or the move or delete that ends that is staged.</returns>
    bool Claim(ulong id);

    /// <summary>A message of the last successful commit, without reading the disk; only until the next commit or background work.</summary>
    /// <param name="id">The message. Asked for in the order of their ends they are found fastest.</param>
    /// <param name="message">It, with the envelope given to <see cref="End"/>.</param>
    bool TryTakeArrived(ulong id, [NotNullWhen(true)] out SpoolMessage? message);

    /// <summary>The earliest due time of any deferred message that is not claimed, or long.MaxValue.</summary>
    long NextDueSeconds { get; }

    /// <summary>Reads content; may be used by any thread and outlives moves of the message (the old segment stays readable while open).</summary>
    ISpoolReader OpenReader();
}

/// <summary>A place in a listing of a queue.</summary>
/// <param name="Key">Due time or arrival.</param>
/// <param name="Id">Last message returned.</param>
public readonly record struct SpoolCursor(long Key, ulong Id)
{
    /// <summary>Behind the last message.</summary>
    public static SpoolCursor End { get; } = new(long.MaxValue, ulong.MaxValue);
}

/// <summary>How reading content ended.</summary>
public enum ContentRead : byte
{
    /// <summary>Bytes were read.</summary>
    Data = 1,

    /// <summary>The end of the content.</summary>
    End = 2,

    /// <summary>The record is not there any more: the message moved or was deleted. Ask for its layout again.</summary>
    Moved = 3,

    /// <summary>Checksum or identity is wrong: damage. What was sent so far must not be completed.</summary>
    Damaged = 4,

    /// <summary>The disk refused.</summary>
    Failed = 5,
}

/// <summary>Reads contents of messages, from any thread. A byte leaves only after checksum and identity of its record held on the reader's own copy.</summary>
public interface ISpoolReader : IDisposable
{
    /// <summary>Reads the next piece of a message's content.</summary>
    /// <param name="id">The message.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="extent">Index of the extent to read; the caller counts it up after each Data.</param>
    /// <param name="offset">Offset within the extent, for pieces longer than the buffer (only extents of kind File).</param>
    /// <param name="buffer">At least <see cref="ContentLayout.BufferLength"/> long; content is returned as a slice of it.</param>
    /// <param name="content">The bytes.</param>
    ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content);
}
