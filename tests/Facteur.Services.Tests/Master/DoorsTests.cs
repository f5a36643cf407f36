using System.Net;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Master;
using Facteur.Testing;

namespace Facteur.Services.Tests.Master;

/// <summary>Where smtpd listens, and how many it serves.</summary>
public sealed class DoorsTests
{
    private static readonly IPAddress Other = IPAddress.Parse("127.0.0.2");

    [Fact]
    public async Task The_limit_is_the_entrys_on_all_its_addresses_and_over_a_reload()
    {
        await using var room = new MasterRoom();
        await room.StartAsync("inet_interfaces = 127.0.0.1, 127.0.0.2", $"{room.Port} inet n - n - 1 smtpd");
        await using var first = await room.ConnectAsync();
        Assert.StartsWith("220", await MasterRoom.HearAsync(first));
        await using var second = await room.ConnectAsync(Other);
        Assert.Null(await MasterRoom.HearAsync(second, 0.3));
        await room.ReloadAsync("inet_interfaces = 127.0.0.1, 127.0.0.2", $"{room.Port} inet n - n - 1 smtpd");
        Assert.Null(await MasterRoom.HearAsync(second, 0.3));
        // Raised: who waits is served.
        await room.ReloadAsync("inet_interfaces = 127.0.0.1, 127.0.0.2", $"{room.Port} inet n - n - 2 smtpd");
        Assert.StartsWith("220", await MasterRoom.HearAsync(second));
        // Lowered: two run, so two have to end before the next.
        await room.ReloadAsync("inet_interfaces = 127.0.0.1, 127.0.0.2", $"{room.Port} inet n - n - 1 smtpd");
        await using var third = await room.ConnectAsync();
        await MasterRoom.SayAsync(first, "QUIT");
        Assert.Null(await MasterRoom.HearAsync(third, 0.3));
        await MasterRoom.SayAsync(second, "QUIT");
        Assert.StartsWith("220", await MasterRoom.HearAsync(third));
    }

    [Fact]
    public async Task Sessions_that_begin_after_the_last_place_was_taken_have_stress()
    {
        await using var room = new MasterRoom();
        await room.StartAsync("smtpd_banner = stress is \"$stress\"", $"127.0.0.1:{room.Port} inet n - n - 2 smtpd");
        await using var first = await room.ConnectAsync();
        Assert.Equal("220 stress is \"\"\r\n", await MasterRoom.HearAsync(first));
        Assert.DoesNotContain(room.Log.Lines, line => line.Contains("limit", StringComparison.Ordinal));
        await using (var second = await room.ConnectAsync())
        {
            Assert.Equal("220 stress is \"\"\r\n", await MasterRoom.HearAsync(second));
        }
        Assert.Equal("220 stress is \"yes\"\r\n", await room.GreetingAsync());
        Assert.Single(room.Log.Lines, line => line.EndsWith($"warning: service \"127.0.0.1:{room.Port}\" (127.0.0.1:{room.Port}) has reached its process limit \"2\": new clients may experience noticeable delays", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-v", true)]
    [InlineData("", false)]
    public async Task An_entry_with_v_logs_what_is_said(string option, bool logged)
    {
        await using var room = new MasterRoom();
        await room.StartAsync(inet: $"127.0.0.1:{room.Port} inet n - n - - smtpd {option}");
        var greeting = await room.GreetingAsync();
        Assert.Equal(logged, room.Log.Lines.Any(line => line.Contains("postfix/smtpd: > ", StringComparison.Ordinal) && line.EndsWith($": {greeting!.TrimEnd()}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Our_own_socket_makes_room_for_another_and_comes_back_when_that_fails()
    {
        await using var room = new MasterRoom();
        var entry = $"{room.Port} inet n - n - - smtpd";
        await room.StartAsync("inet_interfaces = all", entry);
        // 192.0.2.1 is not ours (RFC 5737).
        await room.ReloadAsync("inet_interfaces = 127.0.0.1, 192.0.2.1\nsmtpd_banner = wrong", entry);
        Assert.Contains(room.Log.Lines, line => line.Contains("error: reload: bind 192.0.2.1", StringComparison.Ordinal));
        Assert.StartsWith("220 mail.test", await room.GreetingAsync(Other));
        await room.ReloadAsync("inet_interfaces = loopback-only\nsmtpd_banner = less", entry);
        Assert.Equal("220 less\r\n", await room.GreetingAsync());
        var (none, _) = await Connector.ConnectAsync(new IPEndPoint(Other, room.Port), null, TimeSpan.FromSeconds(5), TimeProvider.System, default);
        Assert.Null(none);
        await room.ReloadAsync("inet_interfaces = all\nsmtpd_banner = more", entry);
        Assert.Equal("220 more\r\n", await room.GreetingAsync(Other));
    }

    [Fact]
    public void Loopback_is_the_addresses_that_exist()
    {
        var own = new OwnAddresses(["all"], new HostsFile("/etc/hosts", TimeProvider.System));
        var addresses = Addresses("loopback-only", "25");
        Assert.Contains(new IPEndPoint(IPAddress.Loopback, 25), addresses);
        Assert.Equal(Listener.HasIPv6 && own.Contains(IPAddress.IPv6Loopback), addresses.Contains(new IPEndPoint(IPAddress.IPv6Loopback, 25)));
    }

    [Theory]
    [InlineData("mail=25", 25)]
    [InlineData("mail=much", null)]
    [InlineData("mail=0", null)]
    [InlineData("mail=", null)]
    [InlineData("other=25", null)]
    public void A_port_by_name_is_known_tcp_ports(string known, int? port)
    {
        if (port is null)
        {
            Assert.Throws<ConfigException>(() => Addresses("127.0.0.1", "mail", known));
        }
        else
        {
            Assert.Equal(port, Assert.Single(Addresses("127.0.0.1", "mail", known)).Port);
        }
    }

    [Fact]
    public async Task A_path_that_is_too_long_for_a_socket_is_told()
    {
        await using var room = new MasterRoom();
        var deep = $"{room.Directory}/{new string('d', 90)}";
        Directory.CreateDirectory(deep);
        var wrong = await Assert.ThrowsAsync<ConfigException>(() => room.StartAsync($"queue_directory = {deep}"));
        Assert.Contains("too long", wrong.Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<IPEndPoint> Addresses(string interfaces, string name, string known = "smtp=25") =>
        ListenAddresses.Of(
            MasterCfFile.Parse("master.cf", $"{name} inet n - n - - smtpd\n").ReadEntries([])[0],
            new TestConfig(("inet_interfaces", interfaces), ("inet_protocols", "all"), ("known_tcp_ports", known)), new HostsFile("/etc/hosts", TimeProvider.System));
}
