using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Facteur.Net.Dns;
using Facteur.Testing;

namespace Facteur.Net.Tests.Dns;

public sealed class DnsTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("", "mx", "mx")]
    [InlineData("res_defnames", "mx", "mx.one.example mx")]
    [InlineData("res_defnames", "a.b", "a.b")]
    [InlineData("res_dnsrch", "mx", "mx.one.example mx.two.example mx")]
    [InlineData("res_dnsrch", "a.b", "a.b a.b.one.example a.b.two.example")]
    [InlineData("res_defnames res_dnsrch", "found", "found.one.example")]
    public async Task Unfinished_names_get_the_domains_of_the_search_list(string options, string name, string asked)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "search one.example two.example\n", TestContext.Current.CancellationToken);
            var zone = new Testing.StaticResolver().Add("found.one.example", "A 192.0.2.1");
            var resolver = new SearchResolver(zone, file, options.Contains("res_defnames", StringComparison.Ordinal), options.Contains("res_dnsrch", StringComparison.Ordinal), TimeProvider.System);
            var answer = await resolver.AddressesAsync(name, false, TestContext.Current.CancellationToken);
            Assert.Equal(name == "found" ? DnsStatus.Ok : DnsStatus.NameError, answer.Status);
            Assert.Equal(asked.Split(' ').Select(n => "A " + n), zone.Asked);
            zone.Failing.Add("mx.one.example");
            Assert.Equal(asked.Contains("mx.one", StringComparison.Ordinal) ? DnsStatus.TryAgain : answer.Status, (await resolver.AddressesAsync(name, false, TestContext.Current.CancellationToken)).Status);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Resolv_conf()
    {
        var conf = ResolvConf.Parse("# c\nnameserver 192.0.2.1\nnameserver ::1\nsearch x\noptions timeout:2 attempts:9 edns0\n");
        Assert.Equal([new IPEndPoint(IPAddress.Parse("192.0.2.1"), 53), new IPEndPoint(IPAddress.IPv6Loopback, 53)], conf.Servers);
        Assert.Equal((TimeSpan.FromSeconds(2), 5), (conf.Timeout, conf.Attempts));
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 53)], ResolvConf.Parse("").Servers);
        Assert.Equal(["x"], conf.Search);
        Assert.Equal(["c.example"], ResolvConf.Parse("search a.example b.example.\ndomain c.example d.example\n").Search);
        Assert.Equal((1, 3), (conf.Dots, ResolvConf.Parse("options ndots:3\n").Dots));
    }

    [Fact]
    public async Task Hosts_come_from_the_dns_or_as_the_system_finds_them()
    {
        await File.WriteAllTextAsync(_file, "127.0.0.5 Mail.example mail # c\n::1 mail.example\n127.0.0.6 four.example\n", TestContext.Current.CancellationToken);
        var hosts = new HostsFile(_file, TimeProvider.System);
        var dns = new StaticResolver().Add("mail.example", "A 192.0.2.9").Add("192.0.2.9", "PTR mail.example").Add("four.example", "AAAA 2001:db8::4");
        var native = new HostLookup(dns, hosts, [HostSource.Native], new StaticResolver().Add("short", "A 192.0.2.7").Add("four.example", "AAAA 2001:db8::4"));
        await FindsAsync(native, "MAIL.example", "::1 127.0.0.5", true);
        // What the file has, the DNS is not asked for, not for the other family either.
        await FindsAsync(native, "four.example", "127.0.0.6", true);
        await FindsAsync(native, "four.example", "2001:db8::4", true, ipv4: false);
        await FindsAsync(native, "short", "192.0.2.7", true);
        Assert.Equal(["Mail.example"], (await native.NamesAsync(IPAddress.Parse("127.0.0.5"), default)).Records);
        Assert.Equal(["mail.example"], (await native.NamesAsync(IPAddress.Parse("192.0.2.9"), default)).Records);
        foreach (HostSource[] order in (HostSource[][])[[HostSource.Dns, HostSource.Native], [HostSource.Native, HostSource.Dns]])
        {
            var both = new HostLookup(dns, hosts, order);
            await FindsAsync(both, "mail.example", "192.0.2.9", false);
            await FindsAsync(both, "mail", "127.0.0.5", true);
            await FindsAsync(both, "none.example", "", true);
            Assert.Equal(DnsStatus.NameError, (await both.AddressesAsync("none.example", true, true, default)).Ipv4.Status);
        }
        await FindsAsync(new HostLookup(dns, hosts, [HostSource.Dns]), "mail", "", false);
    }

    private static async Task FindsAsync(HostLookup lookup, string name, string addresses, bool asSystem, bool ipv4 = true)
    {
        var found = await lookup.AddressesAsync(name, true, ipv4, default);
        Assert.Equal((addresses, asSystem), (string.Join(' ', found.Ipv6.Records.Concat(found.Ipv4.Records)), found.Native));
    }

    [Fact]
    public async Task One_question_at_a_time_and_an_answer_for_its_life()
    {
        var asked = 0;
        var gate = new TaskCompletionSource();
        var cache = new DnsCache<string>(
            async name =>
            {
                Interlocked.Increment(ref asked);
                await gate.Task;
                return (new DnsAnswer<string>(DnsStatus.Ok, [name]), name == "short" ? TimeSpan.Zero : TimeSpan.FromMinutes(1));
            },
            TimeProvider.System);
        var first = cache.GetAsync("a", default).AsTask();
        var second = cache.GetAsync("A", default).AsTask();
        gate.SetResult();
        Assert.Equal(["a"], (await first).Records);
        Assert.Equal(["a"], (await second).Records);
        await cache.GetAsync("a", default);
        Assert.Equal(1, asked);
        await cache.GetAsync("short", default);
        await cache.GetAsync("short", default);
        Assert.Equal(3, asked);
    }

    [Theory]
    [InlineData("mx.example", DnsStatus.Ok, "10 a.mx.example, 20 b.mx.example")]
    [InlineData("null.example", DnsStatus.Ok, "0 ")]
    [InlineData("none.example", DnsStatus.NoData, "")]
    [InlineData("nx.example", DnsStatus.NameError, "")]
    [InlineData("fail.example", DnsStatus.TryAgain, "")]
    [InlineData("silent.example", DnsStatus.TryAgain, "")]
    [InlineData("bad.example", DnsStatus.Invalid, "")]
    public async Task Answers_of_a_server_are_told_apart(string name, DnsStatus status, string records)
    {
        using var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        var serving = ServeAsync(server);
        var conf = new ResolvConf([(IPEndPoint)server.Client.LocalEndPoint!], TimeSpan.FromSeconds(1), 1);
        var resolver = new DnsClientResolver("/nonexistent", _ => conf, TimeProvider.System);
        var answer = await resolver.MxAsync(name, CancellationToken.None);
        Assert.Equal((status, records), (answer.Status, string.Join(", ", answer.Records.Select(r => $"{r.Preference} {r.Host}"))));
        server.Close();
        await serving;
    }

    [Fact]
    public async Task A_huge_answer_is_kept_in_part()
    {
        using var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        var serving = ServeAsync(server);
        var conf = new ResolvConf([(IPEndPoint)server.Client.LocalEndPoint!], TimeSpan.FromSeconds(5), 1);
        var answer = await new DnsClientResolver("/nonexistent", _ => conf, TimeProvider.System).MxAsync("many.example", CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 100), answer.Records.Select(record => record.Preference));
        server.Close();
        await serving;
    }

    private static async Task ServeAsync(UdpClient server)
    {
        try
        {
            while (true)
            {
                var query = await server.ReceiveAsync();
                if (Reply(query.Buffer) is { } reply)
                {
                    await server.SendAsync(reply, query.RemoteEndPoint);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed by the test.
        }
    }

    private static byte[]? Reply(byte[] query)
    {
        var labels = new List<string>();
        var at = 12;
        for (; query[at] != 0; at += query[at] + 1)
        {
            labels.Add(Encoding.UTF8.GetString(query, at + 1, query[at]));
        }
        var question = query[12..(at + 5)];
        (int Preference, string[] Host)[] answers = labels[0] switch
        {
            "mx" => [(10, ["a", "mx", "example"]), (20, ["b", "mx", "example"])],
            "many" => [.. Enumerable.Range(0, 150).Select(i => (i, new[] { "h" }))],
            "null" => [(0, [])],
            "bad" => [(10, ["b\nad", "example"])],
            _ => [],
        };
        if (labels[0] == "silent")
        {
            return null;
        }
        var reply = new List<byte>(query[..2]) { 0x81, (byte)(0x80 | (labels[0] switch { "nx" => 3, "fail" => 2, _ => 0 })), 0, 1, 0, (byte)answers.Length, 0, 0, 0, 0 };
        reply.AddRange(question);
        foreach (var (preference, host) in answers)
        {
            byte[] data = [0, (byte)preference, .. host.SelectMany(l => new[] { (byte)l.Length }.Concat(Encoding.UTF8.GetBytes(l))), 0];
            var length = new byte[2];
            BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)data.Length);
            reply.AddRange([0xC0, 12, 0, 15, 0, 1, 0, 0, 0, 60, .. length, .. data]);
        }
        return [.. reply];
    }
}
