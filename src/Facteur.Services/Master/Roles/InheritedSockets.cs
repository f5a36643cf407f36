using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Facteur.Net.Connections;
using Facteur.Unix;

namespace Facteur.Services.Master.Roles;

/// <summary>Sockets that master bound and handed over, by name.</summary>
internal sealed class InheritedSockets(TimeProvider time) : ISockets
{
    private readonly ConcurrentDictionary<string, int> _waiting = new(StringComparer.Ordinal);

    /// <summary>A socket came; one of that name that nobody took is closed.</summary>
    public void Add(string name, int descriptor)
    {
        if (_waiting.TryRemove(name, out var old))
        {
            _ = Libc.close(old);
        }
        _waiting[name] = descriptor;
    }

    public Listener Tcp(IPEndPoint address, Action<string> trouble) => Take(address.ToString(), trouble);

    public Listener Unix(string name, uint mode, Action<string> trouble) => Take(name, trouble);

    /// <summary>Takes a socket as it is; -1 when there is none of that name.</summary>
    public int Take(string name) => _waiting.TryRemove(name, out var descriptor) ? descriptor : -1;

    private Listener Take(string name, Action<string> trouble) =>
        _waiting.TryRemove(name, out var descriptor) ? Listener.Inherited(descriptor, time, trouble) : throw new SocketException((int)SocketError.AddressNotAvailable);
}
