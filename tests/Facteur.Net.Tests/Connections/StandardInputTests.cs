using System.Net;
using System.Net.Sockets;
using Facteur.Net.Connections;
using Facteur.Unix;

namespace Facteur.Net.Tests.Connections;

public sealed class StandardInputTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_connection_from_the_network_is_one_and_goes_on(string address)
    {
        Assert.SkipUnless(address != "::1" || OwnAddresses.Loopback().Contains(IPAddress.IPv6Loopback), "no IPv6 here");
        using var listener = new Socket(IPAddress.Parse(address).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        Works(listener, true);
    }

    [Fact]
    public void A_local_socket_is_none_and_goes_on()
    {
        var path = Path.Combine(Path.GetTempPath(), $"facteur-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        Works(listener, false);
        File.Delete(path);
    }

    [Fact]
    public void A_file_is_none()
    {
        using var file = File.OpenHandle("/dev/null");
        Assert.False(StandardInput.IsFromNetwork(file.DangerousGetHandle()));
    }

    [Fact]
    public void Reads_wait_again_when_somebody_let_them_not()
    {
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out);
        var descriptor = (int)pipe.ClientSafePipeHandle.DangerousGetHandle();
        Assert.Equal(0, Libc.fcntl(descriptor, Libc.F_SETFL, Libc.fcntl(descriptor, Libc.F_GETFL, 0) | Libc.O_NONBLOCK));
        for (var i = 0; i < 2; i++)
        {
            StandardInput.Block(descriptor);
            Assert.Equal(0, Libc.fcntl(descriptor, Libc.F_GETFL, 0) & Libc.O_NONBLOCK);
        }
    }

    private static void Works(Socket listener, bool network)
    {
        listener.Listen();
        using var client = new Socket(listener.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(listener.LocalEndPoint!);
        using var served = listener.Accept();
        Assert.Equal(network, StandardInput.IsFromNetwork(served.Handle));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        client.Send("x"u8);
        var buffer = new byte[1];
        Assert.Equal(1, served.Receive(buffer));
        served.Send(buffer);
        Assert.Equal(1, client.Receive(buffer));
    }
}
