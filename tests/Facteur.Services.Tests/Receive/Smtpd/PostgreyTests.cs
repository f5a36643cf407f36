using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>A real policy service: Debian's postgrey.</summary>
public sealed class PostgreyTests
{
    [Fact]
    public async Task A_stranger_is_put_off_and_comes_in_later()
    {
        if (!File.Exists("/usr/sbin/postgrey"))
        {
            Assert.Skip("needs the package postgrey");
        }
        var directory = Directory.CreateTempSubdirectory("facteur");
        var port = FreePort();
        var start = new ProcessStartInfo("/usr/sbin/postgrey") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[]
        {
            $"--inet=127.0.0.1:{port}", "--delay=1", $"--dbdir={directory.FullName}", $"--user={Environment.UserName}", "--group=nogroup", "--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null",
        })
        {
            start.ArgumentList.Add(argument);
        }
        using var postgrey = Process.Start(start)!;
        try
        {
            await ListensAsync(port, postgrey);
            var world = UceTests.World(("smtpd_recipient_restrictions", $"check_policy_service inet:127.0.0.1:{port}"));
            Assert.StartsWith("450 4.2.0 <alice@dest.example>: Recipient address rejected: Greylisted", await UceTests.RcptAsync(world), StringComparison.Ordinal);
            await Task.Delay(2100, TestContext.Current.CancellationToken);
            Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
        }
        finally
        {
            postgrey.Kill(entireProcessTree: true);
            await postgrey.WaitForExitAsync(CancellationToken.None);
            directory.Delete(recursive: true);
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static async Task ListensAsync(int port, Process postgrey)
    {
        for (var i = 0; i < 100 && !postgrey.HasExited; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), TestContext.Current.CancellationToken);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }
        }
        Assert.Fail($"postgrey does not listen: {(postgrey.HasExited ? await postgrey.StandardError.ReadToEndAsync() : "still starting")}");
    }
}
