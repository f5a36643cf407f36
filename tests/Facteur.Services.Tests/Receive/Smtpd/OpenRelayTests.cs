using System.Net;
using Facteur.Contracts;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>The classical ways to make a server relay, against the real trivial-rewrite: a stranger gets through by none of them.</summary>
public sealed class OpenRelayTests
{
    private static readonly string[] Recipients =
    [
        "<victim@remote.example>",
        "<victim%remote.example@dest.example>",
        "<victim%remote.example@mx.dest.example>",
        "<victim%remote.example@[127.0.0.25]>",
        "<victim%remote.example>",
        "<\"victim%remote.example\">",
        "<\"victim@remote.example\">",
        "<\"victim%remote.example\"@dest.example>",
        "<\"victim@remote.example\"@dest.example>",
        "<\"victim@remote.example\"@[127.0.0.25]>",
        "<victim@remote.example@dest.example>",
        "<victim@remote.example@[127.0.0.25]>",
        "<victim@remote.example@>",
        "<@dest.example:victim@remote.example>",
        "<@[127.0.0.25]:victim@remote.example>",
        "<@mx.dest.example,@dest.example:victim@remote.example>",
        "<remote.example!victim>",
        "<remote.example!victim@dest.example>",
        "<remote.example!victim@[127.0.0.25]>",
        "<dest.example!remote.example!victim>",
        "<\"remote.example!victim\"@dest.example>",
        "<victim@[127.0.10.1]>",
        "<victim@127.0.10.1>",
        "<victim@[IPv6:2001:db8::1]>",
        "<victim%[127.0.10.1]@dest.example>",
        "<victim%remote.example%dest.example@mx.dest.example>",
        "<victim@remote.example.>",
        "<victim@REMOTE.example>",
        "<victim@dest.example.remote.example>",
        "<victim@dest.example@remote.example>",
        "victim@remote.example",
        "<victim\\@remote.example@dest.example>",
        "<\"\"@remote.example>",
        "<victim@remote.example\0@dest.example>",
    ];

    public static TheoryData<string, string> Probes()
    {
        var data = new TheoryData<string, string>();
        foreach (var client in new[] { "192.0.2.9", "2001:db8::9", "::ffff:192.0.2.9" })
        {
            foreach (var sender in new[] { "<spam@sender.example>", "<spam@dest.example>", "<>", "<spam@localhost>", "<spam@[127.0.0.25]>", "<spam>" })
            {
                data.Add(client, sender);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Probes))]
    public async Task A_stranger_reaches_nobody_elsewhere(string clientAddress, string sender)
    {
        foreach (var recipient in Recipients)
        {
            var world = World();
            var client = await world.Connect(clientAddress).HelloAsync();
            var reply = await client.CommandAsync($"MAIL FROM:{sender}");
            if (reply![0] == '2')
            {
                reply = await client.CommandAsync($"RCPT TO:{recipient}");
            }
            await client.FinishAsync();
            Assert.True(reply![0] is '4' or '5', $"{clientAddress} {sender} {recipient}: {reply}");
            Assert.Empty(world.Cleanup.Messages);
        }
    }

    /// <summary>We relay for a friend and an access table says OK to all of us: neither may be asked to carry it further.</summary>
    [Theory]
    [InlineData("192.0.2.9")]
    [InlineData("::ffff:192.0.2.9")]
    public async Task A_stranger_reaches_nobody_through_friends(string clientAddress)
    {
        var through = Recipients.Where(recipient => recipient.Contains("dest.example", StringComparison.Ordinal)).Concat(
            Recipients.Where(recipient => recipient.Contains("@dest.example", StringComparison.Ordinal)).Select(recipient => recipient.Replace("@dest.example", "@relay.example", StringComparison.Ordinal)));
        foreach (var recipient in through)
        {
            var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:ok, permit_mx_backup, permit_auth_destination, reject"), ("relay_domains", "relay.example"));
            world.Tables["t:ok"] = new() { ["dest.example"] = "OK", ["relay.example"] = "OK" };
            var client = await world.Connect(clientAddress).HelloAsync();
            await client.CommandAsync("MAIL FROM:<spam@dest.example>");
            var reply = await client.CommandAsync($"RCPT TO:{recipient}");
            await client.FinishAsync();
            Assert.True(reply![0] is '4' or '5', $"{clientAddress} {recipient}: {reply}");
            Assert.Empty(world.Cleanup.Messages);
        }
    }

    [Theory]
    [InlineData("127.0.0.9", "<victim@remote.example>", '2')]
    [InlineData("::ffff:127.0.0.9", "<victim@remote.example>", '2')]
    [InlineData("192.0.2.9", "<alice@dest.example>", '2')]
    [InlineData("192.0.2.9", "<@remote.example:alice@dest.example>", '2')]
    [InlineData("::ffff:127.1.0.9", "<victim@remote.example>", '5')]
    public async Task Who_may_gets_through(string clientAddress, string recipient, char first)
    {
        var world = World();
        var client = await world.Connect(clientAddress).HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        var reply = await client.CommandAsync($"RCPT TO:{recipient}");
        await client.FinishAsync();
        Assert.Equal(first, reply![0]);
    }

    private static SmtpdWorld World(params (string Name, string Value)[] main)
    {
        var world = new SmtpdWorld([("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"), .. main]);
        var tables = new MemoryTables();
        var config = new TestConfig(("relay_domains", main.FirstOrDefault(value => value.Name == "relay_domains").Value ?? ""), ("inet_interfaces", "127.0.0.25, 127.0.0.1"));
        world.Rewriting = new TrivialRewriteService(
            config, tables, tables, new MemoryAddressMaps("+", "dest.example"), new MemoryMatchLists(tables), address => address.Equals(IPAddress.Parse("127.0.0.25")) || IPAddress.IsLoopback(address) && address.ToString() == "127.0.0.1",
            new ServiceLog(new TestLog(), "postfix/trivial-rewrite"));
        return world;
    }
}
