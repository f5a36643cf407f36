namespace Facteur.Spool;

/// <summary>What an operator must hear of the spool. Called on the engine's thread; each call is worth one log line.</summary>
public interface ISpoolEvents
{
    /// <summary>A write or sync failed: nothing in the segment beyond the offset exists any more.</summary>
    void Sealed(uint segment, long goodOffset, int errno);

    /// <summary>Bytes that were durable can't be read.</summary>
    /// <param name="id">The message, or 0 when the bytes don't say.</param>
    /// <param name="place">File and range.</param>
    /// <param name="keptAs">File in corrupt/ with the raw bytes, or "" when they stay in place.</param>
    void Damage(ulong id, string place, string keptAs);

    /// <summary>The end of a segment was being written when the machine stopped; nothing acknowledged was in it.</summary>
    void Torn(uint segment, long from, long to);

    /// <summary>The disk is full; outcomes and deletes use the reserve, new mail is refused.</summary>
    void OnReserve();

    /// <summary>Room again; the reserve is whole.</summary>
    void OffReserve();

    /// <summary>A commit took longer than 5 seconds.</summary>
    void SlowCommit(TimeSpan duration);

    /// <summary>Background work (checkpoint, cleaning) met an error and will be tried again.</summary>
    void MaintenanceFailed(string what, int errno);

    /// <summary>The spool is open.</summary>
    void Opened(long messages, long replayedBytes);
}
