using System.Buffers;
using System.Net.Sockets;
using Facteur.Net.Connections;

namespace Facteur.Net.Tests.Connections;

public sealed class ControlSocketTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("control").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Bytes_go_both_ways()
    {
        var path = Path.Combine(_directory, "s");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var connection = ControlSocket.Connect(path, out var error);
        Assert.NotNull(connection);
        Assert.Equal("", error);
        using var peer = listener.Accept();
        await connection.Output.WriteAsync("ping"u8.ToArray());
        var buffer = new byte[4];
        Assert.Equal(4, await peer.ReceiveAsync(buffer));
        await peer.SendAsync(buffer);
        var read = await connection.Input.ReadAtLeastAsync(4);
        Assert.Equal("ping"u8, read.Buffer.ToArray());
    }

    [Fact]
    public void What_keeps_a_command_from_connecting_is_said()
    {
        Assert.Null(ControlSocket.Connect(Path.Combine(_directory, "none"), out var error));
        Assert.Equal("No such file or directory", error);
        Assert.Null(ControlSocket.Connect(Path.Combine(_directory, new string('x', 200)), out error));
        Assert.Equal("File name too long", error);
        var path = Path.Combine(_directory, "dead");
        using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
        }
        File.Delete(path);
        File.WriteAllText(path, "");
        Assert.Null(ControlSocket.Connect(path, out error));
        Assert.Equal("Connection refused", error);
    }
}
