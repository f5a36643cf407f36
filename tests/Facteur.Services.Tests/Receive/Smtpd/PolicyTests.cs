namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class PolicyTests
{
    /// <summary>Postfix: inet:port is one of this host, and a blank in front makes of an action a list of restrictions.</summary>
    [Fact]
    public async Task A_service_of_this_host_needs_no_name_and_its_action_no_blank()
    {
        using var server = new PolicyServer(_ => "action= REJECT text\n\n");
        var port = server.Endpoint[(server.Endpoint.LastIndexOf(':') + 1)..];
        var world = UceTests.World(("smtpd_recipient_restrictions", "check_policy_service inet:" + port), ("smtpd_relay_restrictions", "reject_unauth_destination"));
        Assert.Equal("554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied", await UceTests.RcptAsync(world, "alice@dest.example"));
    }

    [Fact]
    public async Task A_policy_service_is_told_all_that_Postfix_tells()
    {
        using var server = new PolicyServer(_ => "action=DUNNO\n\n");
        var world = World(server, ("stress", "yes"), ("smtpd_policy_service_policy_context", "mine"), ("smtpd_end_of_data_restrictions", "check_policy_service " + server.Endpoint));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example> SIZE=123");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<bob@dest.example>"));
        await client.CommandAsync("DATA");
        await client.SendAsync("Subject: pol\r\n\r\nx\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        var requests = server.Requests.ToArray();
        Assert.Equal(3, requests.Length);
        var instance = requests[0].Split('\n').Single(line => line.StartsWith("instance=", StringComparison.Ordinal));
        Assert.All(requests, request => Assert.Contains(instance + "\n", request, StringComparison.Ordinal));
        string Expected(string state, string recipient, int count, string id, int size) =>
            $"request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nclient_address=127.0.7.1\nclient_name=client.good.example\nclient_port=12345\n"
            + $"reverse_client_name=client.good.example\nserver_address=127.0.0.25\nserver_port=25\nhelo_name=c.example\nsender=a@sender.example\nrecipient={recipient}\n"
            + $"recipient_count={count}\nqueue_id={id}\n{instance}\nsize={size}\netrn_domain=\nstress=yes\nsasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\n"
            + "ccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\nencryption_keysize=0\npolicy_context=mine\n"
            + "compatibility_level=3.11\nmail_version=3.11.6\n";
        Assert.Equal(Expected("RCPT", "alice@dest.example", 0, "", 123), requests[0]);
        Assert.Equal(Expected("RCPT", "bob@dest.example", 0, "Q1", 123), requests[1]);
        Assert.Equal(Expected("END-OF-MESSAGE", "", 2, "Q1", 19), requests[2]);
        Assert.Equal(1, server.Connections);
    }

    /// <summary>BDAT is DATA to it, and the server is what XCLIENT says.</summary>
    [Theory]
    [InlineData("DATA", "", "127.0.0.25", "25")]
    [InlineData("BDAT 0 LAST", " DESTADDR=192.0.2.25 DESTPORT=587", "192.0.2.25", "587")]
    [InlineData("BDAT 0 LAST", " DESTADDR=IPv6:2001:db8::25", "2001:db8::25", "25")]
    [InlineData("BDAT 0 LAST", " DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]", "unknown", "unknown")]
    public async Task At_the_content_it_is_told_of_how_many_recipients_and_of_which_server(string command, string server, string address, string port)
    {
        using var policy = new PolicyServer(_ => "action=DUNNO\n\n");
        var world = new SmtpdWorld(("smtpd_data_restrictions", "check_policy_service " + policy.Endpoint), ("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger));
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("220 ", await client.CommandAsync("XCLIENT NAME=c.example" + server), StringComparison.Ordinal);
        await client.CommandAsync("EHLO c.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("RCPT TO:<bob@dest.example>");
        await client.CommandAsync(command);
        var request = Assert.Single(policy.Requests);
        Assert.Contains("\nprotocol_state=DATA\n", request, StringComparison.Ordinal);
        Assert.Contains("\nrecipient_count=2\n", request, StringComparison.Ordinal);
        Assert.Contains($"\nserver_address={address}\nserver_port={port}\n", request, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("action=REJECT policy\n\n", "554 5.7.1 <alice@dest.example>: Recipient address rejected: policy")]
    [InlineData("action=DEFER_IF_PERMIT later\n\n", "450 4.7.1 <alice@dest.example>: Recipient address rejected: later")]
    [InlineData("action=450 4.7.1 greylisted\n\n", "450 4.7.1 <alice@dest.example>: Recipient address rejected: greylisted")]
    [InlineData("action=dunno\n\n", "250 2.1.5 Ok")]
    [InlineData("x=y\r\naction=OK\r\nlater=1\r\n\r\n", "250 2.1.5 Ok")]
    [InlineData("action=\n\n", "250 2.1.5 Ok")]
    [InlineData("action=nonsense\n\n", "451 4.3.5 Server configuration error")]
    [InlineData("action=strict\n\n", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("action=check_policy_service inet:127.0.0.1:9\n\n", "451 4.3.5 Server configuration error")]
    [InlineData("x=y\n\n", "451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem")]
    public async Task Its_answer_counts_as_an_access_table_s(string answer, string reply)
    {
        using var server = new PolicyServer(_ => answer);
        var world = World(server, ("smtpd_restriction_classes", "strict"), ("strict", "reject"), ("smtpd_policy_service_try_limit", "1"));
        Assert.Equal(reply, await UceTests.RcptAsync(world));
    }

    [Theory]
    [InlineData("0", 1)]
    [InlineData("2", 3)]
    public async Task A_connection_is_used_again_within_its_limit(string limit, int connections)
    {
        using var server = new PolicyServer(_ => "action=DUNNO\n\n");
        var world = World(server, ("smtpd_policy_service_request_limit", limit));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
        }
        Assert.Equal(5, server.Requests.Count);
        Assert.Equal(connections, server.Connections);
    }

    [Theory]
    [InlineData("smtpd_policy_service_max_idle")]
    [InlineData("smtpd_policy_service_max_ttl")]
    public async Task A_connection_is_closed_when_its_time_is_over(string parameter)
    {
        using var server = new PolicyServer(_ => "action=DUNNO\n\n");
        var world = World(server, (parameter, "30s"));
        await UceTests.RcptAsync(world);
        world.Time.Advance(TimeSpan.FromSeconds(31));
        await UceTests.RcptAsync(world);
        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task A_connection_that_the_service_closed_costs_nothing()
    {
        var first = true;
        using var server = new PolicyServer(_ =>
        {
            var answer = first ? "action=DUNNO\n\n" : null;
            first = true;
            return answer;
        });
        var world = World(server);
        Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
        first = false;
        Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
        Assert.Equal(2, server.Connections);
        Assert.DoesNotContain(world.LogLines, line => line.StartsWith("warning", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("check_policy_service inet:127.0.0.1:PORT", "451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem")]
    [InlineData("check_policy_service { inet:127.0.0.1:PORT, default_action=DUNNO, timeout=5s }", "250 2.1.5 Ok")]
    [InlineData("check_policy_service { inet:127.0.0.1:PORT, { default_action = DEFER 4.2.0 wait } }", "450 4.2.0 <alice@dest.example>: Recipient address rejected: wait")]
    [InlineData("check_policy_service { inet:127.0.0.1:PORT, default_action=again }", "451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem")]
    public async Task Without_an_answer_the_default_action_is_taken(string list, string reply)
    {
        int port;
        using (var closed = new PolicyServer(_ => null))
        {
            port = int.Parse(closed.Endpoint[(closed.Endpoint.LastIndexOf(':') + 1)..], null);
        }
        list = list.Replace("PORT", $"{port}", StringComparison.Ordinal);
        var world = UceTests.World(("smtpd_recipient_restrictions", list), ("smtpd_restriction_classes", "again"), ("again", list));
        Assert.Equal(reply, await TickingAsync(world, UceTests.RcptAsync(world)));
        Assert.Equal(
            [
                $"warning: connect to 127.0.0.1:{port}: Connection refused", $"warning: problem talking to server 127.0.0.1:{port}: Connection refused",
                $"warning: connect to 127.0.0.1:{port}: Connection refused", $"warning: problem talking to server 127.0.0.1:{port}: Connection refused",
            ], world.LogLines.Where(line => line.StartsWith("warning", StringComparison.Ordinal)).Take(4));
    }

    [Fact]
    public async Task A_service_that_is_silent_is_given_up()
    {
        using var server = new PolicyServer(_ => "");
        var world = World(server, ("smtpd_policy_service_timeout", "7s"));
        Assert.Equal("451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem", await TickingAsync(world, UceTests.RcptAsync(world)));
        Assert.Contains($"warning: problem talking to server {server.Endpoint[5..]}: Connection timed out", world.LogLines);
    }

    [Fact]
    public async Task An_answer_without_end_is_given_up()
    {
        using var server = new PolicyServer(_ => new string('x', 200_000));
        var world = World(server, ("smtpd_policy_service_try_limit", "1"));
        Assert.Equal("451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem", await UceTests.RcptAsync(world));
    }

    [Fact]
    public async Task A_relative_path_begins_at_the_queue_directory()
    {
        var directory = Directory.CreateTempSubdirectory("facteur");
        try
        {
            Directory.CreateDirectory(Path.Combine(directory.FullName, "private"));
            using var server = new PolicyServer(_ => "action=DUNNO\n\n", Path.Combine(directory.FullName, "private", "policy"));
            var world = UceTests.World(("smtpd_recipient_restrictions", "check_policy_service unix:private/policy"), ("queue_directory", directory.FullName));
            Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
            Assert.Single(server.Requests);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Sessions_that_wait_do_not_hold_up_each_other()
    {
        using var server = new PolicyServer(request => request.Contains("recipient=alice@", StringComparison.Ordinal) ? "" : "action=DUNNO\n\n");
        var world = World(server, ("smtpd_policy_service_timeout", "5s"), ("smtpd_timeout", "1d"));
        var waiting = Enumerable.Range(0, 40).Select(_ => UceTests.RcptAsync(world)).ToArray();
        Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world, "bob@dest.example"));
        await TickingAsync(world, Task.WhenAll(waiting));
        Assert.All(waiting, one => Assert.Equal("451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration problem", one.Result));
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("inet:host:0")]
    [InlineData("inet:ho st:25")]
    [InlineData("unix:")]
    [InlineData("{ inet:127.0.0.1:9, timeout=soon }")]
    [InlineData("{ inet:127.0.0.1:9, color=blue }")]
    [InlineData("")]
    public async Task What_is_written_wrong_refuses_and_is_named(string argument)
    {
        var world = UceTests.World(("smtpd_recipient_restrictions", "check_policy_service " + argument));
        Assert.Equal("451 4.3.5 Server configuration error", await UceTests.RcptAsync(world));
        Assert.Contains(world.LogLines, line => line.StartsWith("warning: restriction check_policy_service", StringComparison.Ordinal));
    }

    private static SmtpdWorld World(PolicyServer server, params (string, string)[] main) =>
        UceTests.World([("smtpd_recipient_restrictions", "check_policy_service " + server.Endpoint), .. main]);

    private static async Task<T> TickingAsync<T>(SmtpdWorld world, Task<T> work)
    {
        for (var i = 0; i < 2000 && !work.IsCompleted; i++)
        {
            await Task.WhenAny(work, Task.Delay(2));
            world.Time.Advance(TimeSpan.FromMilliseconds(200));
        }
        return await work;
    }
}
