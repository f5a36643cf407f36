namespace Facteur.Spool;

/// <summary>
/// Records kept in memory to be written again: those written without a sync, until a sync covers them, and those whose commit failed.
/// Only what changes a message that exists is kept; content and ends are not.
/// </summary>
internal sealed class KeptRecords
{
    private const int KeepLimit = 4 << 20;

    private byte[] _bytes = new byte[4096];

    public int Length { get; private set; }

    public bool IsEmpty => Length == 0;

    public Span<byte> All => _bytes.AsSpan(0, Length);

    public static bool Takes(RecordType type) =>
        type is RecordType.Outcome or RecordType.Reported or RecordType.Move or RecordType.Expire or RecordType.Delete;

    public void Add(ReadOnlySpan<byte> record)
    {
        if (_bytes.Length < Length + record.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + record.Length));
        }
        record.CopyTo(_bytes.AsSpan(Length));
        Length += record.Length;
    }

    public void Clear()
    {
        Length = 0;
        if (_bytes.Length > KeepLimit)
        {
            _bytes = new byte[4096];
        }
    }
}
