namespace Facteur.Spool;

/// <summary>
/// The file of a message's own: blocks of 64 KiB of content, each a record of type Block whose sequence is its number and whose mark
/// comes from the message's number. Content offset o lies in block o / 65536 at file offset (o / 65536) * 65568 + 32 + o % 65536.
/// </summary>
internal sealed class LargeFile(IDisk disk, int file, ulong id, Stack<byte[]> blocks)
{
    public const int BlockContent = 64 << 10;
    public const int BlockLength = BlockContent + Record.HeaderLength;

    /// <summary>Blocks after which the kernel begins to write: at the end less is left to wait for.</summary>
    private const int StartEvery = 16;

    /// <summary>Blocks kept for later files: what a crowd of long messages took is given back.</summary>
    private const int BlocksKept = 32;

    private readonly byte[] _block = blocks.TryPop(out var block) ? block : GC.AllocateUninitializedArray<byte>(BlockLength);
    private uint _number;
    private int _filled;

    public ulong Id => id;

    public long ContentLength => (long)_number * BlockContent + _filled;

    public static ulong Mark(ulong id) => id * 0x9E3779B97F4A7C15 ^ 0x46414354424C4F4B;

    /// <summary>Adds content; 0 or the errno.</summary>
    public int Append(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            var n = Math.Min(content.Length, BlockContent - _filled);
            content[..n].CopyTo(_block.AsSpan(Record.HeaderLength + _filled));
            _filled += n;
            content = content[n..];
            if (_filled == BlockContent && WriteBlock() is var errno and not 0)
            {
                return errno;
            }
        }
        return 0;
    }

    /// <summary>Writes the last, shorter block.</summary>
    public int Flush()
    {
        if (_filled != 0 && WriteBlock() is var errno and not 0)
        {
            return errno;
        }
        if (_number % StartEvery is not 0 and var rest)
        {
            Start(rest);
        }
        return 0;
    }

    public int Sync() => -disk.SyncData(file);

    /// <summary>Closes; nothing may be appended after it.</summary>
    public void Close()
    {
        _ = disk.Close(file);
        if (blocks.Count < BlocksKept)
        {
            blocks.Push(_block);
        }
    }

    private int WriteBlock()
    {
        var block = _block.AsSpan(0, Record.HeaderLength + _filled);
        Record.WriteHeader(block, Mark(id), _number, RecordType.Block, id);
        Record.Finish(block);
        var errno = disk.WriteAll(file, block, (long)_number * BlockLength);
        _number++;
        _filled = 0;
        if (_number % StartEvery == 0)
        {
            Start(StartEvery);
        }
        return errno;
    }

    private void Start(uint blocks) => disk.StartWriting(file, (long)(_number - blocks) * BlockLength, (long)blocks * BlockLength);
}
