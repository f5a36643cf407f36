using System.Buffers;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// Gathers content for the queue: what fits one piece goes with the end of the message, longer content in pieces. Counts it as records of
/// Postfix's queue files (one per line, cut at the line limit; a line of just the limit has an empty one behind it), which is what size= and message_size_limit mean.
/// </summary>
internal sealed class ContentSink(IIncoming incoming, ulong id, int lineLimit) : IDisposable
{
    private const int FirstSize = 4 << 10;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstSize);
    private int _length;
    private int _line;

    /// <summary>The size so far.</summary>
    public long Size { get; private set; }

    /// <summary>Some content was sent already: the queue must be told when the message is forgotten.</summary>
    public bool Sent { get; private set; }

    /// <summary>The content ends in the middle of a line.</summary>
    public bool InLine { get; private set; }

    /// <summary>What has not been sent.</summary>
    public ReadOnlyMemory<byte> Rest => _buffer.AsMemory(0, _length);

    /// <summary>Takes as many bytes as there is room for.</summary>
    /// <returns>How many; when not all, <see cref="SendAsync"/> makes room.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        var length = Math.Min(bytes.Length, ContentLayout.PieceLimit - _length);
        bytes = bytes[..length];
        Grow(_length + length);
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += length;
        Count(bytes);
        return length;
    }

    /// <summary>Sends what is gathered.</summary>
    public async ValueTask SendAsync(CancellationToken cancel)
    {
        Sent = true;
        await incoming.ContentAsync(id, Rest, cancel).ConfigureAwait(false);
        _length = 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
            _length = 0;
        }
    }

    private void Count(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            if (end < 0)
            {
                InLine = true;
                _line += bytes.Length;
                // Whole records are counted at once, so that the line's length stays bounded.
                while (_line >= lineLimit)
                {
                    Size += Record(lineLimit);
                    _line -= lineLimit;
                }
                return;
            }
            var line = _line + end;
            while (line >= lineLimit)
            {
                Size += Record(lineLimit);
                line -= lineLimit;
            }
            Size += Record(line);
            _line = 0;
            InLine = false;
            bytes = bytes[(end + 1)..];
        }
    }

    // A type, a length in base 128, the bytes.
    private static int Record(int length) => 1 + (length < 128 ? 1 : length < 1 << 14 ? 2 : 3) + length;

    private void Grow(int needed)
    {
        if (needed > _buffer.Length)
        {
            var grown = ArrayPool<byte>.Shared.Rent(Math.Max(needed, Math.Min(_buffer.Length * 2, ContentLayout.PieceLimit)));
            _buffer.AsSpan(0, _length).CopyTo(grown);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = grown;
        }
    }
}
