using Facteur.Net.Connections;
using Facteur.Services.Server;

namespace Facteur.Services.Receive.Pickup;

/// <summary>The socket public/pickup: any byte, or only a connection, asks pickup to look at maildrop now (postdrop, postkick).</summary>
public static class PickupTrigger
{
    private static readonly TimeSpan ClientTime = TimeSpan.FromSeconds(10);

    /// <summary>Serves a listener until it is disposed. What clients send is not read: connecting says it all.</summary>
    public static async Task RunAsync(Listener listener, PickupService pickup, TimeProvider time)
    {
        var sessions = new UserSessions();
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            pickup.Trigger();
            _ = CloseAsync(connection, sessions, time);
        }
    }

    private static async Task CloseAsync(Connection connection, UserSessions sessions, TimeProvider time)
    {
        if ((connection as SocketConnection)?.PeerUser() is not { } uid || !sessions.TryEnter(uid))
        {
            // The trigger was given; only the wait is not.
            await connection.DisposeAsync().ConfigureAwait(false);
            return;
        }
        // Postfix's clients write one byte and wait a moment for the end: closing first would reset them.
        using var end = new CancellationTokenSource(ClientTime, time);
        try
        {
            await connection.Input.ReadAsync(end.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or System.Net.Sockets.SocketException)
        {
            // The trigger was already given.
        }
        finally
        {
            sessions.Leave(uid);
        }
        await connection.DisposeAsync().ConfigureAwait(false);
    }
}
