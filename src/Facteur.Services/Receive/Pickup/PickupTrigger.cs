using Facteur.Net.Connections;

namespace Facteur.Services.Receive.Pickup;

/// <summary>The socket public/pickup: any byte, or only a connection, asks pickup to look at maildrop now (postdrop, postkick).</summary>
public static class PickupTrigger
{
    private static readonly TimeSpan ClientTime = TimeSpan.FromSeconds(10);

    /// <summary>Serves a listener until it is disposed. What clients send is not read: connecting says it all.</summary>
    public static async Task RunAsync(Listener listener, PickupService pickup, TimeProvider time)
    {
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            pickup.Trigger();
            _ = CloseAsync(connection, time);
        }
    }

    private static async Task CloseAsync(Connection connection, TimeProvider time)
    {
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
        await connection.DisposeAsync().ConfigureAwait(false);
    }
}
