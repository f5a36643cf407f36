using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;

namespace Facteur.Commands;

/// <summary>How commands get at the queue: the running system first, else the spool itself while its lock is free.</summary>
/// <param name="Connect">Connects to the running system; null with a reason when it is down.</param>
/// <param name="Open">Opens the spool of a system that is down; null when the caller may not, or when its lock is held.</param>
public sealed record QueueAccess(Func<IConfig, (IQueueOperator? Queue, string Error)> Connect, Func<IConfig, IQueueOperator?> Open)
{
    /// <summary>The socket of the running system, under queue_directory.</summary>
    public const string SocketName = "public/control";

    /// <summary>Connects by the socket; never opens the spool.</summary>
    public static QueueAccess RunningSystem { get; } = new(ConnectSocket, _ => null);

    /// <summary>Gets the queue: the running system's, else the spool's.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="error">Why the running system did not answer, else "".</param>
    internal IQueueOperator? Get(IConfig config, out string error)
    {
        (var queue, error) = Connect(config);
        return queue ?? Open(config);
    }

    private static (IQueueOperator?, string) ConnectSocket(IConfig config)
    {
        var socket = ControlSocket.Connect(Path.Combine(config.Get(CommonParameters.QueueDirectory), SocketName), out var error);
        return (socket is null ? null : new ControlClient(socket), error);
    }
}
