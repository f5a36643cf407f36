using Facteur.Net.Logging;

namespace Facteur.Services.Server;

/// <summary>syslog, or postlogd's socket of commands: one datagram per line.</summary>
internal sealed class SyslogSink(SyslogSocket socket) : ILogSink
{
    private readonly SyslogSocket _socket = socket;

    public int Write(ReadOnlySpan<byte> lines)
    {
        var lost = 0;
        while (!lines.IsEmpty)
        {
            var length = lines.IndexOf((byte)'\n');
            lost += _socket.Send(lines[..length]) ? 0 : 1;
            lines = lines[(length + 1)..];
        }
        return lost;
    }

    public void Reopen() => _socket.Dispose();

    public void Dispose() => _socket.Dispose();
}
