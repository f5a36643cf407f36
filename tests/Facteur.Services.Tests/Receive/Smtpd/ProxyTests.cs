using Facteur.Config;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Smtpd.Proxy;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>smtpd_proxy_filter.</summary>
public sealed class ProxyTests : IAsyncDisposable
{
    private readonly SmtpPeer _filter = new() { Extensions = ["PIPELINING", "8BITMIME", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"] };

    public ValueTask DisposeAsync() => _filter.DisposeAsync();

    [Theory]
    [InlineData("DATA")]
    [InlineData("BDAT")]
    public async Task A_message_goes_through_the_filter_and_its_replies_are_the_client_s(string way)
    {
        _filter.On(".EOM", "250-2.0.0 seen\n250 2.0.0 Ok: queued as BEHIND").On("RCPT TO:<bob", "550 5.7.1 not him");
        var world = World();
        var client = await world.Connect().HelloAsync();
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync("MAIL FROM:<a@sender.example> BODY=8BITMIME"));
        Assert.StartsWith("250 ", await client.CommandAsync("RCPT TO:<alice@dest.example>"), StringComparison.Ordinal);
        Assert.Equal("550 5.7.1 not him", await client.CommandAsync("RCPT TO:<bob@dest.example>"));
        if (way == "DATA")
        {
            Assert.StartsWith("354 ", await client.CommandAsync("DATA"), StringComparison.Ordinal);
            await client.SendAsync("Subject: x\r\n\r\n..dot\r\n.\r\n");
        }
        else
        {
            await client.SendAsync("BDAT 18 LAST\r\nSubject: x\r\n\r\n.dot");
        }
        Assert.Equal("250-2.0.0 seen", await client.ReadLineAsync());
        Assert.Equal("250 2.0.0 Ok: queued as BEHIND", await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Equal(
            ["== connect", "EHLO mx.dest.example", "XFORWARD NAME=client.good.example ADDR=127.0.7.1 PORT=12345 HELO=c.example IDENT=[UNAVAILABLE] PROTO=ESMTP SOURCE=REMOTE",
                "MAIL FROM:<a@sender.example> BODY=8BITMIME", "RCPT TO:<alice@dest.example>", "RCPT TO:<bob@dest.example>", "DATA"],
            _filter.Commands.Take(7));
        var content = Assert.Single(_filter.Messages);
        Assert.StartsWith("Received: from c.example (client.good.example [127.0.7.1])\r\n\tby mx.dest.example (Postfix) with ESMTP\r\n\tfor <alice@dest.example>; ", content, StringComparison.Ordinal);
        Assert.EndsWith("\r\nSubject: x\r\n\r\n..dot\r\n", content, StringComparison.Ordinal);
        Assert.Contains("NOQUEUE: client=client.good.example[127.0.7.1]", world.LogLines);
        Assert.Contains("proxy-accept: END-OF-MESSAGE: 250-2.0.0 seen??250 2.0.0 Ok: queued as BEHIND; from=<a@sender.example> to=<alice@dest.example> proto=ESMTP helo=<c.example>", world.LogLines);
        Assert.Contains($"warning: proxy 127.0.0.1:{_filter.Port} rejected \"RCPT TO:<bob@dest.example>\": \"550 5.7.1 not him\"", world.LogLines);
        Assert.Empty(world.Cleanup.Messages);
    }

    [Fact]
    public async Task What_the_filter_refuses_is_refused()
    {
        _filter.On(".EOM", "554 5.7.0 spam");
        var world = World();
        Assert.Equal("554 5.7.0 spam", await SendAsync(world));
        Assert.Contains(world.LogLines, line => line.StartsWith("proxy-reject: END-OF-MESSAGE: 554 5.7.0 spam; from=<a@sender.example> to=<alice@dest.example>", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("CONNECT", "421 busy")]
    [InlineData("EHLO", "500 what")]
    [InlineData("XFORWARD", "501 no")]
    [InlineData("MAIL", "close")]
    [InlineData("RCPT", "close")]
    [InlineData("DATA", "close")]
    [InlineData("DATA", "250 ok")]
    [InlineData(".EOM", "close")]
    [InlineData(".EOM", "nonsense")]
    public async Task A_filter_that_fails_costs_no_mail(string where, string reply)
    {
        _filter.On(where, reply);
        Assert.Equal("451 4.3.0 Error: queue file write error", await SendAsync(World()));
    }

    /// <summary>The filter queues the message: what else stands in the list goes on to decide about it.</summary>
    [Theory]
    [InlineData("HOLD")]
    [InlineData("DISCARD")]
    [InlineData("BCC", " nowhere")]
    [InlineData("REDIRECT", " bob@dest.example")]
    [InlineData("FILTER", " smtp:[192.0.2.1]")]
    public async Task Actions_for_the_queue_have_none_here(string action, string text = "")
    {
        var world = World(("smtpd_relay_restrictions", ""), ("smtpd_recipient_restrictions", "check_sender_access t:actions, reject_unauth_destination"));
        world.Tables["t:actions"] = new() { ["a@sender.example"] = action + text };
        Assert.Equal("250 2.0.0 Ok: stored", await SendAsync(world));
        Assert.Contains($"warning: access table t:actions: with smtpd_proxy_filter specified, action {action} is unavailable", world.LogLines);
        Assert.Equal("554 5.7.1 <x@remote.example>: Relay access denied", await SendAsync(world, "x@remote.example"));
        Assert.DoesNotContain(_filter.Commands, command => command.Contains("remote", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_header_is_put_before_what_the_filter_gets()
    {
        var world = World(("smtpd_recipient_restrictions", "check_sender_access t:actions"));
        world.Tables["t:actions"] = new() { ["a@sender.example"] = "PREPEND X-Seen: yes" };
        await SendAsync(world);
        Assert.StartsWith("X-Seen: yes\r\nReceived: ", Assert.Single(_filter.Messages), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_here_is_not_the_filter_s()
    {
        var world = World();
        world.FreeBytes = 1;
        Assert.Equal("250 2.0.0 Ok: stored", await SendAsync(world));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("552 5.3.4 Message size exceeds fixed limit", await client.CommandAsync("MAIL FROM:<a@sender.example> SIZE=99999999"));
    }

    [Fact]
    public async Task Between_two_filters_we_are_no_hop()
    {
        var world = World(("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger));
        var client = await world.Connect().HelloAsync();
        foreach (var command in (string[])["XFORWARD NAME=earlier.example", "MAIL FROM:<a@sender.example>", "RCPT TO:<alice@dest.example>", "BDAT 12 LAST\r\nSubject: x\r\n"])
        {
            Assert.StartsWith("250 ", await client.CommandAsync(command.EndsWith("\r\n", StringComparison.Ordinal) ? command[..^2] : command), StringComparison.Ordinal);
        }
        Assert.StartsWith("Subject: x", Assert.Single(_filter.Messages), StringComparison.Ordinal);
        await SendAsync(world);
        Assert.StartsWith("Received: ", _filter.Messages[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_filter_gets_commands_as_they_were_replaced()
    {
        var world = World(("smtpd_command_filter", "t:commands"));
        world.Tables["t:commands"] = new() { ["MAIL FROM:<a@sender.example>"] = "MAIL FROM:<b@sender.example>", ["RCPT TO:<alice@dest.example>"] = "RCPT TO:<bob@dest.example>" };
        Assert.Equal("250 2.0.0 Ok: stored", await SendAsync(world));
        Assert.Equal(["MAIL FROM:<b@sender.example>", "RCPT TO:<bob@dest.example>"], _filter.Commands.Where(c => c.Contains(':', StringComparison.Ordinal) && c.Contains('<', StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_footer_stands_behind_all_that_the_filter_said()
    {
        _filter.On("RCPT TO:<bob", "550-one\n550 two");
        var world = World(("smtpd_reject_footer", "see example.com"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.SendAsync("RCPT TO:<bob@dest.example>\r\nNOOP\r\n");
        foreach (var line in (string[])["550-one", "550-two", "550 see example.com", "250 2.0.0 Ok"])
        {
            Assert.Equal(line, await client.ReadLineAsync());
        }
    }

    [Fact]
    public async Task The_session_is_hidden_where_that_is_wanted()
    {
        var world = World(("smtpd_hide_client_session", "yes"));
        await SendAsync(world);
        Assert.StartsWith("Received: by mx.dest.example (Postfix)\r\n\tfor <alice@dest.example>; ", Assert.Single(_filter.Messages), StringComparison.Ordinal);
        var plain = new SmtpdWorld(("smtpd_hide_client_session", "yes"));
        await SendAsync(plain);
        var content = Assert.Single(plain.Cleanup.Completed).Content;
        Assert.StartsWith("Received: by mx.dest.example (Postfix) id Q1\n\tfor <alice@dest.example>; ", content, StringComparison.Ordinal);
        Assert.DoesNotContain("client.good.example", content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_filter_that_is_not_there_is_named()
    {
        var world = World();
        await _filter.DisposeAsync();
        Assert.Equal("451 4.3.0 Error: queue file write error", await SendAsync(world));
        Assert.Contains($"warning: connect to proxy filter 127.0.0.1:{_filter.Port}: Connection refused", world.LogLines);
    }

    [Fact]
    public void What_an_earlier_hop_said_is_passed_on()
    {
        var envelope = new Envelope
        {
            Client = new ClientInfo("n", "192.0.2.1", 1, "n", "h", "ESMTP"),
            Attributes = MessageAttributes.None.With(MessageAttributes.LogClientAddress, "2001:db8::1").With(MessageAttributes.LogIdent, "A=B"),
        };
        Assert.Equal(
            ["XFORWARD ADDR=IPv6:2001:db8::1 HELO=[UNAVAILABLE] IDENT=A+3DB"],
            ProxyFilter.Xforward(envelope, new HashSet<string> { "ADDR", "HELO", "IDENT" }));
        envelope.Attributes = envelope.Attributes.With(MessageAttributes.LogHeloName, new string('h', 400)).With(MessageAttributes.LogIdent, new string('i', 200));
        Assert.Equal(
            [$"XFORWARD ADDR=IPv6:2001:db8::1 HELO={new string('h', 400)}", $"XFORWARD IDENT={new string('i', 200)}"],
            ProxyFilter.Xforward(envelope, new HashSet<string> { "ADDR", "HELO", "IDENT" }));
    }

    /// <summary>speed_adjust: the filter hears of a message when all of it is here.</summary>
    [Theory]
    [InlineData("DATA", 10)]
    [InlineData("BDAT", 10)]
    [InlineData("DATA", 5000)]
    public async Task Mail_may_be_held_back_until_all_of_it_is_here(string way, int lines)
    {
        var spool = Directory.CreateTempSubdirectory("facteur-proxy-");
        try
        {
            var maildrop = spool.CreateSubdirectory("maildrop");
            _filter.On(".EOM", "250 2.0.0 Ok: behind");
            var world = World(("smtpd_proxy_options", "speed_adjust"), ("queue_directory", spool.FullName), ("message_size_limit", "0"));
            var client = await world.Connect().HelloAsync();
            Assert.Equal("250 2.1.0 Ok", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
            Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
            var body = string.Concat(Enumerable.Range(0, lines).Select(i => $"line {i} of some length\r\n")) + "..dot\r\n";
            if (way == "DATA")
            {
                Assert.StartsWith("354 ", await client.CommandAsync("DATA"), StringComparison.Ordinal);
                await client.SendAsync($"Subject: x\r\n\r\n{body}");
                Assert.Empty(_filter.Commands);
                await client.SendAsync(".\r\n");
            }
            else
            {
                Assert.StartsWith("250 ", await client.CommandAsync("BDAT 14\r\nSubject: x\r\n"), StringComparison.Ordinal);
                Assert.Empty(_filter.Commands);
                await client.SendAsync($"BDAT {body.Length - 1} LAST\r\n{body[..^7]}.dot\r\n");
            }
            Assert.Equal("250 2.0.0 Ok: behind", await client.ReplyAsync());
            await client.FinishAsync();
            Assert.Equal(["MAIL FROM:<a@sender.example>", "RCPT TO:<alice@dest.example>", "DATA"], _filter.Commands.Where(c => c.Contains("FROM", StringComparison.Ordinal) || c[..4] is "RCPT" or "DATA"));
            Assert.EndsWith($"\r\nSubject: x\r\n\r\n{body}", Assert.Single(_filter.Messages), StringComparison.Ordinal);
            Assert.Empty(maildrop.GetFileSystemInfos());
        }
        finally
        {
            spool.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("CONNECT", "421 busy", "451 4.3.0 Error: queue file write error")]
    [InlineData("MAIL", "450 4.1.8 who", "450 4.1.8 who")]
    [InlineData("RCPT", "550 5.1.1 no", "550 5.1.1 no")]
    [InlineData("RCPT", "close", "451 4.3.0 Error: queue file write error")]
    [InlineData("DATA", "250 what", "451 4.3.0 Error: queue file write error")]
    [InlineData("DATA", "452 4.3.1 full", "452 4.3.1 full")]
    [InlineData(".EOM", "554 5.7.0 spam", "554 5.7.0 spam")]
    public async Task What_is_said_to_held_mail_is_the_reply_to_its_end(string where, string reply, string expected)
    {
        _filter.On(where, reply);
        Assert.Equal(expected, await SendAsync(World(("smtpd_proxy_options", "speed_adjust"))));
    }

    [Fact]
    public async Task Mail_that_can_not_be_held_is_refused_for_now()
    {
        var world = World(("smtpd_proxy_options", "speed_adjust"), ("queue_directory", "/nonexistent"), ("message_size_limit", "0"));
        Assert.Equal("451 4.3.0 Error: queue file write error", await SendAsync(world, body: new string('x', 70_000) + "\r\n"));
        Assert.Empty(_filter.Commands);
        Assert.Contains(world.LogLines, line => line.StartsWith("warning: save content for the proxy filter: ", StringComparison.Ordinal));
    }

    [Fact]
    public void An_option_that_is_not_known_is_an_error() =>
        Assert.Contains("expected speed_adjust", Assert.Throws<ConfigException>(() => World(("smtpd_proxy_options", "speed_adjust, faster")).Connect()).Message, StringComparison.Ordinal);

    // The first reply that is no success.
    private static async Task<string?> SendAsync(SmtpdWorld world, string recipient = "alice@dest.example", string body = "x\r\n")
    {
        var client = await world.Connect().HelloAsync();
        foreach (var command in (string[])["MAIL FROM:<a@sender.example>", $"RCPT TO:<{recipient}>", "DATA"])
        {
            if (await client.CommandAsync(command) is { } reply && reply[0] is not ('2' or '3'))
            {
                return reply;
            }
        }
        await client.SendAsync(body + ".\r\n");
        return await client.ReplyAsync();
    }

    private SmtpdWorld World(params (string, string)[] more)
    {
        // The first rule that fits counts: what a test says about it goes before.
        _filter.On("XFORWARD", "250 2.0.0 Ok");
        return new SmtpdWorld([("smtpd_proxy_filter", $"127.0.0.1:{_filter.Port}"), .. more]);
    }
}
