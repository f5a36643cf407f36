using System.Net;
using Facteur.Net.Connections;

namespace Facteur.Services.Master;

/// <summary>Where listening sockets come from: bound here, or by master, who may.</summary>
internal interface ISockets
{
    /// <summary>A TCP address of a master.cf entry.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">It can't be had.</exception>
    Listener Tcp(IPEndPoint address, Action<string> trouble);

    /// <summary>A Unix-domain socket by its path in the queue directory.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">It can't be had.</exception>
    Listener Unix(string name, uint mode, Action<string> trouble);
}
