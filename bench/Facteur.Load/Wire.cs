using System.Net.Sockets;

namespace Facteur.Load;

/// <summary>One connection with a line reader; enough SMTP for a load.</summary>
internal sealed class Wire(Socket socket) : IDisposable
{
    private readonly byte[] _buffer = new byte[64 << 10];
    private int _start;
    private int _end;

    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    /// <summary>The next line with its LF, null at the end of the connection. Valid until the next call.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> LineAsync()
    {
        while (true)
        {
            var at = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = _buffer.AsMemory(_start, at + 1);
                _start += at + 1;
                return line;
            }
            if (!await MoreAsync())
            {
                return null;
            }
        }
    }

    /// <summary>A whole reply; its code, 0 at the end of the connection.</summary>
    public async ValueTask<int> ReplyAsync()
    {
        while (await LineAsync() is { } line)
        {
            var span = line.Span;
            if (span.Length >= 4 && span[3] != '-')
            {
                return (span[0] - '0') * 100 + (span[1] - '0') * 10 + span[2] - '0';
            }
        }
        return 0;
    }

    public void Dispose() => socket.Dispose();

    private async ValueTask<bool> MoreAsync()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_end == _buffer.Length)
        {
            return false;
        }
        var n = await socket.ReceiveAsync(_buffer.AsMemory(_end));
        _end += n;
        return n > 0;
    }
}
