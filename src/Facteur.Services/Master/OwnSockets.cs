using System.Net;
using Facteur.Config;
using Facteur.Net.Connections;

namespace Facteur.Services.Master;

/// <summary>Sockets that this process binds itself.</summary>
internal sealed class OwnSockets(string queueDirectory, TimeProvider time) : ISockets
{
    /// <summary>unix(7), sun_path: 108 bytes with the NUL.</summary>
    private const int PathLimit = 107;

    public Listener Tcp(IPEndPoint address, Action<string> trouble) => Listener.Tcp(address, 512, time, trouble);

    public Listener Unix(string name, uint mode, Action<string> trouble)
    {
        var path = Path.Combine(queueDirectory, name);
        return System.Text.Encoding.UTF8.GetByteCount(path) > PathLimit
            ? throw new ConfigException($"listen on {path}: the path is too long for a socket: at most {PathLimit} bytes; queue_directory must be shorter")
            : Listener.Unix(path, mode, 128, time, trouble);
    }
}
