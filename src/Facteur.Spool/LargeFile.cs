using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>
/// The file of a message's own: blocks of 60 KiB, each a record of type Block whose sequence is its number and whose mark comes from the
/// message's number. Content offset o lies in block o / 61408 at file offset (o / 61408) * 61440 + 32 + o % 61408: blocks begin where pages do.
/// One thread appends and finishes; what touches the disk is done by <see cref="LargeBodies"/>, in order and maybe on another thread.
/// </summary>
internal sealed class LargeFile(LargeBodies bodies, ulong id)
{
    public const int BlockLength = BlockContent + Record.HeaderLength;
    public const int BlockContent = ContentLayout.PieceLimit;

    /// <summary>Blocks after which the kernel begins to write: at the end less is left to wait for.</summary>
    private const int StartEvery = 16;

    // The thread that appends.
    private byte[]? _block;
    private int _filled;
    private uint _number;
    private bool _finished;

    // The thread that writes.
    private int _file = -1;
    private long _end;
    private bool _reused;
    private volatile int _errno;
    private volatile bool _settled;

    public ulong Id => id;

    public long ContentLength => (long)_number * BlockContent + _filled;

    /// <summary>All that was appended is on stable storage, or <see cref="Errno"/> says why not; the file is closed.</summary>
    public bool IsSettled => _settled;

    /// <summary>0, or why the file can't be kept.</summary>
    public int Errno => _errno;

    public static ulong Mark(ulong id) => id * 0x9E3779B97F4A7C15 ^ 0x46414354424C4F4B;

    /// <summary>Adds content.</summary>
    public void Append(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            _block ??= bodies.Rent();
            var n = Math.Min(content.Length, BlockContent - _filled);
            content[..n].CopyTo(_block.AsSpan(Record.HeaderLength + _filled));
            _filled += n;
            content = content[n..];
            if (_filled == BlockContent)
            {
                PassBlock();
                _number++;
                _filled = 0;
            }
        }
    }

    /// <summary>Passes on the last, shorter block, and the order to make all durable. The second time nothing happens.</summary>
    public void Finish()
    {
        if (_finished)
        {
            return;
        }
        _finished = true;
        if (_filled != 0)
        {
            PassBlock();
        }
        bodies.Do(new LargeWork(LargeStep.Sync, id, this));
    }

    /// <summary>Forgets the file.</summary>
    public void Drop()
    {
        if (_block is not null)
        {
            bodies.Return(_block);
            _block = null;
        }
        bodies.Do(new LargeWork(LargeStep.Drop, id, this));
    }

    /// <summary>Writes a block; the first one makes the file.</summary>
    public void Write(IDisk disk, byte[] bytes, int filled, uint number)
    {
        if (_errno == 0 && _file < 0)
        {
            _file = bodies.Create(id, out _reused, out var refused);
            _errno = refused;
        }
        if (_errno == 0)
        {
            var block = bytes.AsSpan(0, Record.HeaderLength + filled);
            Record.WriteHeader(block, Mark(id), number, RecordType.Block, id);
            Record.Finish(block);
            var at = (long)number * BlockLength;
            var errno = disk.WriteAll(_file, block, at);
            if (DiskWrites.IsNoSpace(errno) && bodies.DropSpares())
            {
                errno = disk.WriteAll(_file, block, at);
            }
            _errno = errno;
            _end = at + block.Length;
            if ((number + 1) % StartEvery == 0)
            {
                disk.StartWriting(_file, (long)(number + 1 - StartEvery) * BlockLength, (long)StartEvery * BlockLength);
            }
        }
    }

    /// <summary>Makes the file durable, then its name.</summary>
    public void Sync(IDisk disk, string directory)
    {
        if (_errno == 0 && _reused && disk.Length(_file) > _end)
        {
            _errno = -disk.Truncate(_file, _end);
        }
        if (_errno == 0)
        {
            _errno = -disk.SyncData(_file);
        }
        if (_errno == 0)
        {
            _errno = -disk.SyncDirectory(directory);
        }
        Close(disk);
        _settled = true;
    }

    public void Close(IDisk disk)
    {
        if (_file >= 0)
        {
            _ = disk.Close(_file);
            _file = -1;
        }
    }

    private void PassBlock()
    {
        bodies.Do(new LargeWork(LargeStep.Write, id, this, _block, _filled, _number));
        _block = null;
    }
}
