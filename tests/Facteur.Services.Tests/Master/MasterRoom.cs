using System.Net;
using System.Net.Sockets;
using Facteur.Config;
using Facteur.Net.Connections;
using Facteur.Services.Master;
using Facteur.Testing;

namespace Facteur.Services.Tests.Master;

/// <summary>A mail system in this process, with a directory and a port of its own.</summary>
internal sealed class MasterRoom : IAsyncDisposable
{
    private MailSystem? _system;

    public MasterRoom()
    {
        global::System.IO.Directory.CreateDirectory($"{Directory}/etc");
        // A free port, taken for a moment: a listener of the same process, so that no other test gets it meanwhile.
        var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        Port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
    }

    public string Directory { get; } = global::System.IO.Directory.CreateTempSubdirectory("facteur-master-").FullName;

    public string Spool => $"{Directory}/spool";

    public int Port { get; }

    public TestLog Log { get; } = new();

    /// <summary>How often the system said that it can't go on.</summary>
    public int Failures { get; private set; }

    public MailSystem System => _system!;

    /// <summary>The configuration: lines of main.cf that win, entries for smtpd (default: one on the port), and the rest.</summary>
    public ConfigLoad Load(string main = "", string? inet = null)
    {
        File.WriteAllText($"{Directory}/etc/main.cf", $"""
            compatibility_level = 3.11
            queue_directory = {Spool}
            data_directory = {Directory}
            mail_owner = {Environment.UserName}
            myhostname = mail.test
            mydomain = mail.test
            mydestination = mail.test
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            smtp_dns_support_level = disabled
            smtp_host_lookup = native
            local_recipient_maps =
            alias_maps =
            {main}

            """);
        File.WriteAllText($"{Directory}/etc/master.cf", $"""
            {inet ?? $"127.0.0.1:{Port} inet n - n - - smtpd"}
            pickup unix n - n 60 1 pickup
            qmgr unix n - n 300 1 qmgr
            bounce unix - - n - 0 bounce
            local unix - n n - - local
            smtp unix - - n - - smtp
            retry unix - - n - - error
            discard unix - - n - - discard

            """);
        return ConfigLoader.Load($"{Directory}/etc", new LoadOptions { ProcessName = "master" });
    }

    public async Task StartAsync(string main = "", string? inet = null)
    {
        global::System.IO.Directory.CreateDirectory(Spool);
        var load = Load(main, inet);
        Assert.Empty(load.Errors);
        _system = await MailSystem.StartAsync(load, Log, TimeProvider.System, () => Failures++);
    }

    public Task ReloadAsync(string main = "", string? inet = null) => System.ReloadAsync(Load(main, inet));

    /// <summary>Opens an SMTP connection.</summary>
    public async Task<Connection> ConnectAsync(IPAddress? address = null)
    {
        var (connection, error) = await Connector.ConnectAsync(new IPEndPoint(address ?? IPAddress.Loopback, Port), null, TimeSpan.FromSeconds(10), TimeProvider.System, default);
        Assert.True(connection is not null, error);
        return connection;
    }

    /// <summary>Reads one piece of what the server says; null when nothing comes for a while.</summary>
    public static async Task<string?> HearAsync(Connection connection, double seconds = 10)
    {
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            var read = await connection.Input.ReadAsync(end.Token);
            var text = global::System.Text.Encoding.Latin1.GetString(global::System.Buffers.BuffersExtensions.ToArray(read.Buffer));
            connection.Input.AdvanceTo(read.Buffer.End);
            return text;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    public static async Task<string?> SayAsync(Connection connection, string line)
    {
        await connection.Output.WriteAsync(global::System.Text.Encoding.Latin1.GetBytes(line + "\r\n"));
        return await HearAsync(connection);
    }

    /// <summary>The greeting that a new session gets.</summary>
    public async Task<string?> GreetingAsync(IPAddress? address = null)
    {
        await using var connection = await ConnectAsync(address);
        return await HearAsync(connection);
    }

    public async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 500 && !condition(); i++)
        {
            await Task.Delay(20);
        }
        Assert.True(condition(), string.Join('\n', Log.Lines));
    }

    public async ValueTask DisposeAsync()
    {
        if (_system is not null)
        {
            await _system.DisposeAsync();
        }
        global::System.IO.Directory.Delete(Directory, recursive: true);
    }
}
