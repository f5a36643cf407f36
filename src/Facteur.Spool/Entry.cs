using System.Runtime.InteropServices;

namespace Facteur.Spool;

/// <summary>One message in the index: 64 bytes, in chunks of an array, no object of its own.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Entry
{
    public const byte ExpireFlag = 1;
    public const byte LargeFlag = 2;

    // In memory only: the queue manager has it, and it stands in no order.
    public const byte ClaimedFlag = 4;

    public ulong Id;
    public long Size;

    // The end record, which holds envelope and layout.
    public Location End;

    // The latest record of the chain of outcomes; each names the one before it.
    public Location Chain;

    // The old segment in which the chain ends, or 0.
    public uint ChainOld;

    // The lowest young segment that holds any record of this message, or 0: it and all later ones are kept for it.
    public uint MinYoung;
    public uint Arrival;
    public uint Due;
    public uint Destination;
    public ushort Attempts;
    public QueueState State;
    public byte Flags;

    // Children in the order of its queue.
    public int Left;
    public int Right;

    /// <summary>Its place in the order of its queue, before the number.</summary>
    public readonly long Key => State switch { QueueState.Incoming => Arrival, QueueState.Deferred => Due, _ => 0 };

    public readonly SpoolEntry ToPublic() => new(Id, State, Size, Arrival, Due, Attempts, Destination, (Flags & ExpireFlag) != 0);

    public static uint Seconds(long value) => (uint)Math.Clamp(value, 0, uint.MaxValue);
}
