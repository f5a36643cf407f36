using System.Buffers;
using System.Collections.Concurrent;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Services.Receive.Pickup;

/// <summary>
/// The contents that reports quote: those of the queue, and those of maildrop files that cleanup refused, which are in no queue.
/// A refused message is read from its beginning to its end, as a report does; its pieces live until the next read.
/// </summary>
/// <param name="queue">Reads the queue's.</param>
public sealed class RefusedMail(ISpoolReader queue) : ISpoolReader
{
    private readonly ConcurrentDictionary<ulong, Refused> _refused = new();

    /// <summary>Makes the content of a file readable.</summary>
    /// <param name="id">The number its message had.</param>
    /// <param name="entry">The file.</param>
    /// <param name="length">Bytes of its content.</param>
    /// <returns>The layout to ask by.</returns>
    public ContentLayout Add(ulong id, MaildropEntry entry, long length)
    {
        _refused[id] = new Refused(entry);
        return new ContentLayout([new Extent(ExtentKind.File, 0, 0, (int)Math.Min(length, int.MaxValue))]);
    }

    /// <summary>Makes the start of a message readable.</summary>
    /// <param name="id">The number its message had.</param>
    /// <param name="head">The start.</param>
    /// <returns>The layout to ask by.</returns>
    public ContentLayout Add(ulong id, ReadOnlyMemory<byte> head)
    {
        _refused[id] = new Refused(default) { Head = head };
        return new ContentLayout([new Extent(ExtentKind.File, 0, 0, head.Length)]);
    }

    /// <summary>Forgets a file.</summary>
    public void Remove(ulong id)
    {
        if (_refused.TryRemove(id, out var refused))
        {
            refused.Dispose();
        }
    }

    /// <inheritdoc/>
    public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content) =>
        _refused.TryGetValue(id, out var refused) ? refused.Read(offset, out content) : queue.Read(id, layout, extent, offset, buffer, out content);

    /// <inheritdoc/>
    public void Dispose() => queue.Dispose();

    private sealed class Refused(MaildropEntry entry) : IDisposable
    {
        private const int Piece = 60 * 1024;
        private readonly ArrayBufferWriter<byte> _piece = new(Piece);
        private UnixFile? _file;
        private MaildropReader? _message;

        /// <summary>Of a message that is known by its start; else empty.</summary>
        public ReadOnlyMemory<byte> Head { get; init; }

        public ContentRead Read(long offset, out ReadOnlyMemory<byte> content)
        {
            content = default;
            if (!Head.IsEmpty)
            {
                content = offset == 0 ? Head : default;
                return offset == 0 ? ContentRead.Data : ContentRead.End;
            }
            if (offset == 0 && !Open())
            {
                return ContentRead.Failed;
            }
            _piece.ResetWrittenCount();
            _message!.ReadContent(_piece, Piece);
            content = _piece.WrittenMemory;
            return _message.Errno != 0 ? ContentRead.Failed : content.IsEmpty ? ContentRead.End : ContentRead.Data;
        }

        public void Dispose() => _file?.Dispose();

        private bool Open()
        {
            _file?.Dispose();
            if (MaildropDirectory.Open(entry, out _file) != 0 || _file is null)
            {
                return false;
            }
            _message = new MaildropReader(_file);
            return _message.ReadEnvelope() is null;
        }
    }
}
