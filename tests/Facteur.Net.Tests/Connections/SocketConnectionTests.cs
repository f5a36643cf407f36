using System.Net;
using System.Net.Sockets;
using Facteur.Net.Connections;

namespace Facteur.Net.Tests.Connections;

public sealed class SocketConnectionTests
{
    [Fact]
    public async Task Bytes_go_both_ways_in_any_size()
    {
        var (client, server) = await PairAsync();
        var sent = new byte[3_000_000];
        Random.Shared.NextBytes(sent);
        var writing = WriteAllAsync(client, sent);
        Assert.Equal(sent, await ReadAsync(server, sent.Length));
        await writing;
        await server.Output.WriteAsync("250 ok\r\n"u8.ToArray());
        Assert.Equal("250 ok\r\n"u8.ToArray(), await ReadAsync(client, 8));
        await client.DisposeAsync();
        Assert.True((await server.Input.ReadAsync()).IsCompleted);
        await server.DisposeAsync();
    }

    [Fact]
    public async Task What_was_not_consumed_stays_and_a_part_waits_for_more()
    {
        var (client, server) = await PairAsync();
        await client.Output.WriteAsync("HEL"u8.ToArray());
        var first = await server.Input.ReadAsync();
        server.Input.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        Assert.False(server.Input.TryRead(out _));
        var pending = server.Input.ReadAsync();
        await client.Output.WriteAsync("O\r\nQUIT\r\n"u8.ToArray());
        var second = await pending;
        Assert.Equal("HELO\r\nQUIT\r\n"u8.ToArray(), System.Buffers.BuffersExtensions.ToArray(second.Buffer));
        server.Input.AdvanceTo(second.Buffer.GetPosition(6));
        Assert.True(server.Input.TryRead(out var third));
        Assert.Equal("QUIT\r\n"u8.ToArray(), System.Buffers.BuffersExtensions.ToArray(third.Buffer));
        server.Input.AdvanceTo(third.Buffer.End);
        await client.DisposeAsync();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_cancelled_read_leaves_the_connection_usable()
    {
        var (client, server) = await PairAsync();
        var pending = server.Input.ReadAsync().AsTask();
        server.Input.CancelPendingRead();
        var canceled = await pending;
        Assert.True(canceled.IsCanceled);
        server.Input.AdvanceTo(canceled.Buffer.End);
        using var stop = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await server.Input.ReadAsync(stop.Token));
        await client.Output.WriteAsync("x"u8.ToArray());
        Assert.Equal("x"u8.ToArray(), await ReadAsync(server, 1));
        await client.DisposeAsync();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_reset_or_an_abort_is_an_end_and_no_exception()
    {
        var (client, server) = await PairAsync();
        var pending = server.Input.ReadAsync().AsTask();
        server.Abort();
        Assert.True((await pending).IsCompleted);
        Assert.True((await server.Output.WriteAsync("x"u8.ToArray())).IsCompleted);
        await client.Output.WriteAsync("y"u8.ToArray());
        await Task.Delay(20);
        await client.Output.WriteAsync("y"u8.ToArray());
        Assert.True((await client.Input.ReadAsync()).IsCompleted);
        await client.DisposeAsync();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_writer_whose_peer_does_not_read_ends_with_the_abort()
    {
        var (client, server) = await PairAsync();
        var writing = WriteAllAsync(client, new byte[20_000_000]);
        await Task.Delay(50);
        Assert.False(writing.IsCompleted);
        client.Abort();
        await writing.WaitAsync(TimeSpan.FromSeconds(5));
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_refused_connection_is_a_value()
    {
        var listener = Listener.Tcp(new IPEndPoint(IPAddress.Loopback, 0), 1, TimeProvider.System, _ => { });
        await listener.DisposeAsync();
        var refused = await Connector.ConnectAsync(listener.LocalEndPoint, null, TimeSpan.FromSeconds(5), TimeProvider.System, CancellationToken.None);
        Assert.Equal((null, "Connection refused"), (refused.Connection, refused.Error));
        var none = await Connector.ConnectAsync(new UnixDomainSocketEndPoint("/nonexistent/s"), null, TimeSpan.FromSeconds(5), TimeProvider.System, CancellationToken.None);
        Assert.Equal("No such file or directory", none.Error);
    }

    [Fact]
    public async Task A_connection_that_takes_too_long_is_timed_out()
    {
        // A full backlog: the kernel drops further SYNs.
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var result = default(ConnectResult);
        for (var i = 0; i < 10 && result.Error != Connector.TimedOut; i++)
        {
            result = await Connector.ConnectAsync(full.LocalEndPoint!, IPAddress.Loopback, TimeSpan.FromMilliseconds(100), TimeProvider.System, CancellationToken.None);
        }
        Assert.Equal(Connector.TimedOut, result.Error);
    }

    [Fact]
    public async Task A_disposed_listener_ends_its_accept()
    {
        var listener = Listener.Tcp(new IPEndPoint(IPAddress.IPv6Loopback, 0), 1, TimeProvider.System, _ => { });
        var accept = listener.AcceptAsync().AsTask();
        await listener.DisposeAsync();
        Assert.Null(await accept.WaitAsync(TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task A_unix_socket_has_no_addresses()
    {
        var path = Path.Combine(Path.GetTempPath(), $"s-{Guid.NewGuid():N}");
        await using var listener = Listener.Unix(path, 0x1B6, 5, TimeProvider.System, _ => { });
        var accept = listener.AcceptAsync();
        var client = await Connector.ConnectAsync(new UnixDomainSocketEndPoint(path), null, TimeSpan.FromSeconds(5), TimeProvider.System, CancellationToken.None);
        await using var server = await accept;
        Assert.Null(server!.RemoteEndPoint);
        await client.Connection!.DisposeAsync();
        File.Delete(path);
    }

    internal static async Task<(Connection Client, Connection Server)> PairAsync()
    {
        await using var listener = Listener.Tcp(new IPEndPoint(IPAddress.Loopback, 0), 5, TimeProvider.System, _ => { });
        var accept = listener.AcceptAsync();
        var client = await Connector.ConnectAsync(listener.LocalEndPoint, null, TimeSpan.FromSeconds(5), TimeProvider.System, CancellationToken.None);
        return (client.Connection!, (await accept)!);
    }

    private static async Task WriteAllAsync(Connection connection, byte[] bytes)
    {
        for (var at = 0; at < bytes.Length; at += 50_000)
        {
            if ((await connection.Output.WriteAsync(bytes.AsMemory(at, Math.Min(50_000, bytes.Length - at)))).IsCompleted)
            {
                return;
            }
        }
    }

    private static async Task<byte[]> ReadAsync(Connection connection, int length)
    {
        var all = new MemoryStream();
        while (all.Length < length)
        {
            var result = await connection.Input.ReadAsync();
            Assert.False(result.IsCompleted);
            foreach (var piece in result.Buffer)
            {
                all.Write(piece.Span);
            }
            connection.Input.AdvanceTo(result.Buffer.End);
        }
        return all.ToArray();
    }
}
