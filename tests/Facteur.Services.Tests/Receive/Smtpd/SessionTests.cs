using Facteur.Contracts;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class SessionTests
{
    [Fact]
    public async Task Chunks_make_a_message()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.SendAsync("BDAT 21\r\nSubject: bdat\r\n\r\n.ab");
        await client.SendAsync("\r\n");
        Assert.Equal("250 2.0.0 Ok: 21 bytes", await client.ReplyAsync());
        Assert.Equal("500 5.5.2 Error: bad syntax", await client.ReplyAsync());
        Assert.Equal("503 5.5.1 Error: DATA after BDAT", await client.CommandAsync("DATA"));
        await client.SendAsync("BDAT 9 LAST\r\nc\r\n.\r\nde\r");
        Assert.Equal("250 2.0.0 Ok: 32 bytes queued as Q1", await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Equal("Subject: bdat\n\n.ab\rc\n.\nde\r\n", world.Cleanup.Completed.Single().Body);
    }

    /// <summary>Postfix: a bare newline is refused with the chunk that has it.</summary>
    [Fact]
    public async Task A_chunk_with_a_bare_newline_is_refused_at_once()
    {
        var world = new SmtpdWorld(("smtpd_forbid_bare_newline", "reject"), ("smtpd_forbid_bare_newline_exclusions", ""));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.SendAsync("BDAT 7\r\nA: b\n\r\n");
        Assert.Equal("550 5.5.2 mx.dest.example Error: bare <LF> received", await client.ReplyAsync());
        await client.SendAsync("BDAT 5 LAST\r\nabc\r\n");
        Assert.Equal("551 5.0.0 Discarded 5 bytes after earlier error", await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Empty(world.Cleanup.Completed);
        Assert.Contains(
            "Q1: reject: END-OF-MESSAGE from client.good.example[127.0.7.1]: bare <LF> received; from=<a@sender.example> to=<alice@dest.example> proto=ESMTP helo=<c.example>", world.LogLines);
    }

    /// <summary>Postfix: a word that is no keyword is passed over, in the list and in the table; while the table can't answer, nothing is offered.</summary>
    [Fact]
    public async Task What_EHLO_offers_may_not_be_known()
    {
        var listed = new SmtpdWorld(("smtpd_discard_ehlo_keywords", "bogus, chunking"));
        Assert.DoesNotContain("CHUNKING", await listed.TalkAsync("EHLO c\r\n"), StringComparison.Ordinal);
        var world = new SmtpdWorld(("smtpd_discard_ehlo_keyword_address_maps", "missing:x"));
        Assert.EndsWith("421 4.3.0 mx.dest.example Server local data error\n", await world.TalkAsync("EHLO c\r\n"), StringComparison.Ordinal);
        Assert.Contains("NOQUEUE: reject: EHLO from client.good.example[127.0.7.1]: 421 4.3.0 mx.dest.example Server local data error", world.LogLines);
    }

    [Fact]
    public async Task A_refused_chunk_is_read_whole_and_the_rest_discarded()
    {
        var world = new SmtpdWorld(("message_size_limit", "30"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.SendAsync("BDAT 31\r\n" + new string('x', 31));
        Assert.Equal("552 5.3.4 Chunk exceeds message size limit", await client.ReplyAsync());
        await client.SendAsync("BDAT 4\r\nabcd");
        Assert.Equal("551 5.0.0 Discarded 4 bytes after earlier error", await client.ReplyAsync());
        Assert.Equal("250 2.0.0 Ok", await client.CommandAsync("RSET"));
        Assert.Equal("521 5.5.4 Syntax: BDAT count [LAST]", await client.CommandAsync("BDAT x"));
        await client.FinishAsync();
        Assert.Empty(world.Cleanup.Completed);
    }

    /// <summary>Postfix: what follows a chunk without MAIL is its error's, until RSET or the last chunk.</summary>
    [Theory]
    [InlineData("RSET", "250 2.0.0 Ok")]
    [InlineData("EHLO again", "250 CHUNKING")]
    [InlineData("BDAT 0 LAST", "551 5.0.0 Discarded 0 bytes after earlier error")]
    public async Task A_chunk_without_MAIL_bars_MAIL_until_it_is_taken_back(string end, string reply)
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.SendAsync("BDAT 5\r\nhello");
        Assert.Equal("503 5.5.1 Error: need RCPT command", await client.ReplyAsync());
        Assert.Equal("503 5.5.1 Error: MAIL after BDAT", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        await client.SendAsync("BDAT 5\r\nworld");
        Assert.Equal("551 5.0.0 Discarded 5 bytes after earlier error", await client.ReplyAsync());
        Assert.Equal("503 5.5.1 Error: need MAIL command", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.EndsWith(reply, await client.CommandAsync(end), StringComparison.Ordinal);
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        await client.FinishAsync();
    }

    [Fact]
    public async Task Content_over_the_limit_is_refused_at_its_end()
    {
        var world = new SmtpdWorld(("message_size_limit", "100"));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("552 5.3.4 Message size exceeds fixed limit", await client.CommandAsync("MAIL FROM:<a@sender.example> SIZE=101"));
        await client.CommandAsync("RSET");
        await client.CommandAsync("MAIL FROM:<a@sender.example> SIZE=100");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync(new string('x', 98) + "\r\n1\r\n.\r\n");
        Assert.Equal("552 5.3.4 Error: message file too big", await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Contains("warning: Q1: queue file size limit exceeded", world.LogLines);
    }

    [Fact]
    public async Task Recipients_over_the_limit_are_put_off()
    {
        var world = new SmtpdWorld(("smtpd_recipient_limit", "1"), ("smtpd_recipient_overshoot_limit", "1"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        Assert.Equal("452 4.5.3 Error: too many recipients", await client.CommandAsync("RCPT TO:<bob@dest.example>"));
        Assert.Equal("452 4.5.3 Error: too many recipients", await client.CommandAsync("RCPT TO:<bob@dest.example>"));
        await client.CommandAsync("QUIT");
        await client.FinishAsync();
        Assert.Contains("disconnect from client.good.example[127.0.7.1] ehlo=1 mail=1 rcpt=2/3 quit=1 commands=5/6", world.LogLines);
    }

    [Fact]
    public async Task Too_little_room_in_the_queue_puts_mail_off()
    {
        var world = new SmtpdWorld { FreeBytes = 1000 };
        var client = await world.Connect().HelloAsync();
        Assert.Equal("452 4.3.1 Insufficient system storage", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        await client.FinishAsync();
    }

    [Theory]
    [InlineData(CleanupStatus.WriteError, null, "451 4.3.0 Error: queue file write error")]
    [InlineData(CleanupStatus.NoSpace, null, "452 4.3.1 Insufficient system storage")]
    [InlineData(CleanupStatus.TooManyHops, null, "554 5.4.0 Error: too many hops")]
    [InlineData(CleanupStatus.Rejected, "5.7.1 no such content", "550 5.7.1 no such content")]
    [InlineData(CleanupStatus.Rejected, "4.7.1 later", "450 4.7.1 later")]
    [InlineData(CleanupStatus.Rejected, "451 4.7.1 later", "451 4.7.1 later")]
    [InlineData(CleanupStatus.Rejected, "no", "550 5.7.1 no")]
    public async Task What_cleanup_says_becomes_the_reply(CleanupStatus status, string? text, string reply)
    {
        var world = new SmtpdWorld();
        world.Cleanup.Result = new CleanupResult(status, text);
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        Assert.Equal(reply, await client.ReplyAsync());
        await client.FinishAsync();
    }

    [Fact]
    public async Task An_idle_client_is_told_and_left()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        for (var i = 0; i < 100 && !client.Session.IsCompleted; i++)
        {
            world.Time.Advance(TimeSpan.FromSeconds(301));
            await Task.Delay(10, CancellationToken.None);
        }
        Assert.Equal("421 4.4.2 mx.dest.example Error: timeout exceeded", await client.ReplyAsync());
        Assert.Null(await client.ReadLineAsync());
        Assert.Contains("NOQUEUE: timeout after EHLO from client.good.example[127.0.7.1]", world.LogLines);
        Assert.Equal(0, world.Service.SessionCount);
    }

    [Theory]
    [InlineData("EHLO c.example", "250 CHUNKING")]
    [InlineData("HELO c.example", "250 mx.dest.example")]
    [InlineData("HELP", "214 2.0.0 Commands: AUTH BDAT DATA EHLO ETRN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY XCLIENT XFORWARD")]
    [InlineData("RSET", "250 2.0.0 Ok")]
    public async Task Commands_that_bring_no_mail_nearer_are_limited(string command, string reply)
    {
        var world = new SmtpdWorld(("smtpd_junk_command_limit", "2"), ("smtpd_hard_error_limit", "3"));
        var client = world.Connect();
        await client.ReplyAsync();
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(reply, await client.CommandAsync(command));
        }
        Assert.Equal("421 4.7.0 mx.dest.example Error: too many errors", await client.ReplyAsync());
        await client.FinishAsync();
    }

    [Fact]
    public async Task Helo_does_not_take_back_that_the_client_may_pipeline()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("HELO c.example");
        await client.SendAsync("MAIL FROM:<a@sender.example>\r\nRCPT TO:<alice@dest.example>\r\n");
        Assert.Equal("250 2.1.0 Ok", await client.ReplyAsync());
        Assert.Equal("250 2.1.5 Ok", await client.ReplyAsync());
        await client.FinishAsync();
    }

    [Fact]
    public async Task A_client_that_vanishes_is_logged_with_its_place()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("abc\r\n");
        await client.FinishAsync();
        Assert.Contains("Q1: lost connection after DATA (5 bytes) from client.good.example[127.0.7.1]", world.LogLines);
        Assert.True(world.Cleanup.Messages.Single() is { IsDisposed: true, IsComplete: false });
    }

    [Fact]
    public async Task A_stopping_service_says_so()
    {
        using var stop = new CancellationTokenSource();
        var world = new SmtpdWorld();
        var client = await world.Connect(cancel: stop.Token).HelloAsync();
        await stop.CancelAsync();
        Assert.Equal("421 4.3.2 mx.dest.example Service shutting down", await client.ReplyAsync());
        Assert.Null(await client.ReadLineAsync());
        await client.Session;
    }

    [Fact]
    public async Task Clients_are_limited_in_connections_messages_and_recipients()
    {
        var world = new SmtpdWorld(("smtpd_client_connection_count_limit", "1"), ("smtpd_client_message_rate_limit", "1"), ("smtpd_client_recipient_rate_limit", "1"));
        var first = await world.Connect().HelloAsync();
        Assert.Equal("421 4.7.0 mx.dest.example Error: too many connections from 127.0.7.1", await world.Connect().ReplyAsync());
        Assert.StartsWith("220", await world.Connect("127.0.0.9").ReplyAsync(), StringComparison.Ordinal);
        Assert.Equal("250 2.1.0 Ok", await first.CommandAsync("MAIL FROM:<a@sender.example>"));
        Assert.Equal("250 2.1.5 Ok", await first.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.Equal("450 4.7.1 Error: too many recipients from 127.0.7.1", await first.CommandAsync("RCPT TO:<bob@dest.example>"));
        await first.CommandAsync("RSET");
        Assert.Equal("450 4.7.1 Error: too much mail from 127.0.7.1", await first.CommandAsync("MAIL FROM:<a@sender.example>"));
        await first.FinishAsync();
        Assert.Contains("warning: Connection concurrency limit exceeded: 2 from client.good.example[127.0.7.1] for service smtp", world.LogLines);
        Assert.StartsWith("220", await world.Connect().ReplyAsync(), StringComparison.Ordinal);
    }

    /// <summary>The proxy speaks for thousands: it is the client it names that is counted, from then on and until that session ends.</summary>
    [Fact]
    public async Task A_client_that_XCLIENT_names_is_counted_and_who_may_name_it_is_not()
    {
        var world = new SmtpdWorld(
            ("smtpd_client_connection_count_limit", "1"), ("smtpd_client_message_rate_limit", "1"), ("smtpd_client_event_limit_exceptions", ""), ("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger));
        var proxies = new List<SmtpdClient>();
        for (var i = 0; i < 4; i++)
        {
            proxies.Add(await world.Connect().HelloAsync());
        }
        Assert.StartsWith("220 ", await proxies[0].CommandAsync("XCLIENT NAME=one.example ADDR=198.51.100.1"), StringComparison.Ordinal);
        Assert.Equal("421 4.7.0 mx.dest.example Error: too many connections from 198.51.100.1", await proxies[1].CommandAsync("XCLIENT NAME=one.example ADDR=198.51.100.1"));
        Assert.Equal("", await proxies[1].FinishAsync());
        Assert.Equal("250 2.1.0 Ok", await proxies[0].CommandAsync("MAIL FROM:<a@sender.example>"));
        await proxies[0].CommandAsync("RSET");
        Assert.Equal("450 4.7.1 Error: too much mail from 198.51.100.1", await proxies[0].CommandAsync("MAIL FROM:<a@sender.example>"));
        await proxies[0].FinishAsync();
        Assert.StartsWith("220 ", await proxies[2].CommandAsync("XCLIENT NAME=one.example ADDR=198.51.100.1"), StringComparison.Ordinal);
        // Nobody knows who that is: it can't be counted.
        Assert.StartsWith("220 ", await proxies[3].CommandAsync("XCLIENT ADDR=[UNAVAILABLE]"), StringComparison.Ordinal);
        Assert.Equal("250 2.1.0 Ok", await proxies[3].CommandAsync("MAIL FROM:<a@sender.example>"));
        await proxies[3].FinishAsync();
    }

    [Fact]
    public async Task A_question_about_a_recipient_counts_as_one()
    {
        var world = new SmtpdWorld(("smtpd_client_recipient_rate_limit", "2"));
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("501 ", await client.CommandAsync("VRFY"), StringComparison.Ordinal);
        Assert.StartsWith("252 ", await client.CommandAsync("VRFY alice@dest.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await client.CommandAsync("VRFY nosuch@dest.example"), StringComparison.Ordinal);
        Assert.Equal("450 4.7.1 Error: too many recipients from 127.0.7.1", await client.CommandAsync("VRFY alice@dest.example"));
        await client.FinishAsync();
        Assert.Contains("warning: Recipient address rate limit exceeded: 3 from client.good.example[127.0.7.1] for service smtp", world.LogLines);
    }

    [Fact]
    public async Task A_name_that_leads_elsewhere_is_unknown()
    {
        var world = new SmtpdWorld();
        await world.TalkAsync("QUIT\r\n", "127.0.7.2");
        Assert.Equal(
            [
                "warning: hostname liar.example does not resolve to address 127.0.7.2",
                "connect from unknown[127.0.7.2]",
                "disconnect from unknown[127.0.7.2] quit=1 commands=1",
            ],
            world.LogLines);
    }

    [Fact]
    public async Task Ehlo_words_can_be_left_out()
    {
        var world = new SmtpdWorld(("smtpd_discard_ehlo_keywords", "chunking, dsn silent-discard"), ("disable_vrfy_command", "yes"));
        var output = await world.TalkAsync("EHLO c.example\r\n");
        Assert.Equal(
            "220 mx.dest.example ESMTP Postfix\n250-mx.dest.example\n250-PIPELINING\n250-SIZE 10240000\n250-ETRN\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250 SMTPUTF8\n", output);
    }

    [Fact]
    public async Task Etrn_asks_the_queue()
    {
        var world = new SmtpdWorld(("fast_flush_domains", "dest.example"));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("250 Queuing started", await client.CommandAsync("ETRN dest.example"));
        Assert.Equal("459 <other.example>: service unavailable", await client.CommandAsync("ETRN other.example"));
        Assert.Equal("501 Error: invalid parameter syntax", await client.CommandAsync("ETRN bad..name"));
        Assert.Equal("500 Syntax: ETRN domain", await client.CommandAsync("ETRN"));
        await client.FinishAsync();
        Assert.Equal(["dest.example"], world.Flushed);
    }

    /// <summary>Postfix: flush(8) asks its own fast_flush_domains, which -o of smtpd does not change.</summary>
    [Fact]
    public async Task What_the_queue_does_not_serve_ETRN_does_not()
    {
        var world = new SmtpdWorld(("fast_flush_domains", "dest.example")) { FlushesNothing = true };
        var client = await world.Connect().HelloAsync();
        Assert.Equal("459 <dest.example>: service unavailable", await client.CommandAsync("ETRN dest.example"));
        await client.FinishAsync();
        Assert.Contains("warning: reject: ETRN dest.example... from client.good.example[127.0.7.1]", world.LogLines);
    }

    [Fact]
    public async Task Dsn_parameters_reach_the_envelope()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        Assert.Equal("501 5.5.4 Bad RET parameter syntax", await client.CommandAsync("MAIL FROM:<a@sender.example> RET=X"));
        await client.CommandAsync("MAIL FROM:<a@sender.example> BODY=8BITMIME RET=HDRS ENVID=abc+2Bdef");
        Assert.Equal("501 5.5.4 Error: Bad NOTIFY parameter syntax", await client.CommandAsync("RCPT TO:<alice@dest.example> NOTIFY=NEVER,FAILURE"));
        Assert.Equal("555 5.5.4 Unsupported option: XX", await client.CommandAsync("RCPT TO:<alice@dest.example> XX"));
        await client.CommandAsync("RCPT TO:<alice@dest.example> NOTIFY=SUCCESS ORCPT=rfc822;x+40y");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        var message = world.Cleanup.Completed.Single();
        Assert.Equal("abc+def", message.Envelope.EnvelopeId);
        Assert.Equal(("alice@dest.example", "rfc822;x@y", Mail.Dsn.DsnNotify.Success), (message.Recipients[0].Address, message.Recipients[0].DsnOriginalRecipient, message.Recipients[0].Notify));
    }

    /// <summary>RFC 3461 5.2.1: who names no original recipient means what was said, before it got its standard form.</summary>
    [Theory]
    [InlineData("<@relay.example:alice@dest.example>", "rfc822;@relay.example:alice@dest.example")]
    [InlineData("<@dest.example>", "rfc822;@dest.example")]
    [InlineData("<alice@dest.example>", "")]
    [InlineData("<@relay\u0001\u007f.example:alice@dest.example>", "rfc822;@relay??.example:alice@dest.example")]
    [InlineData("<alice@dest.example> ORCPT=rfc822;", "rfc822;")]
    public async Task What_was_said_is_the_original_recipient(string path, string expected)
    {
        var world = new SmtpdWorld(("local_recipient_maps", ""));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync($"RCPT TO:{path}"));
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        Assert.Equal(expected, world.Cleanup.Completed.Single().Recipients[0].DsnOriginalRecipient);
    }

    /// <summary>XCLIENT: that there is no verified name says nothing of the reverse one.</summary>
    [Theory]
    [InlineData("NAME=[UNAVAILABLE]", "client.good.example")]
    [InlineData("NAME=[TEMPUNAVAIL]", "client.good.example")]
    [InlineData("NAME=x.example", "x.example")]
    [InlineData("NAME=[UNAVAILABLE] REVERSE_NAME=y.example", "y.example")]
    [InlineData("REVERSE_NAME=y.example NAME=x.example", "y.example")]
    [InlineData("REVERSE_NAME=[UNAVAILABLE]", "unknown")]
    public async Task The_reverse_name_after_XCLIENT(string claim, string expected)
    {
        var world = new SmtpdWorld(("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("smtpd_recipient_restrictions", "check_reverse_client_hostname_access t:names"));
        world.Tables["t:names"] = new() { [expected] = "550 5.7.1 seen" };
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("220 ", await client.CommandAsync("XCLIENT " + claim), StringComparison.Ordinal);
        await client.CommandAsync("EHLO d.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal($"550 5.7.1 <{expected}>: Unverified Client host rejected: seen", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
    }

    /// <summary>An extension that is not offered is no option (Postfix: 555), and a size that is refused is before the sender's address.</summary>
    [Fact]
    public async Task Smtputf8_that_is_not_offered_is_refused()
    {
        var world = new SmtpdWorld(("smtpd_discard_ehlo_keywords", "smtputf8"));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("555 5.5.4 Unsupported option: SMTPUTF8", await client.CommandAsync("MAIL FROM:<a@sender.example> SMTPUTF8"));
    }

    [Fact]
    public async Task Without_smtputf8_enable_replies_have_no_utf8()
    {
        var world = new SmtpdWorld(("smtputf8_enable", "no"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("550 5.1.1 <j  @dest.example>: Recipient address rejected: User unknown in local recipient table", await client.CommandAsync("RCPT TO:<j\u00f6@dest.example>"));
    }

    [Fact]
    public async Task Replies_slow_down_after_errors_and_EHLO_does_so_for_each_of_its_lines()
    {
        var world = new SmtpdWorld(("smtpd_soft_error_limit", "1"), ("smtpd_error_sleep_time", "5s"));
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("500", await client.CommandAsync("BAD"), StringComparison.Ordinal);
        var late = client.CommandAsync("NOOP");
        await Task.Delay(50, CancellationToken.None);
        Assert.False(late.IsCompleted);
        for (var i = 0; i < 100 && !late.IsCompleted; i++)
        {
            world.Time.Advance(TimeSpan.FromSeconds(5));
            await Task.Delay(10, CancellationToken.None);
        }
        Assert.Equal("250 2.0.0 Ok", await late);
        late = client.CommandAsync("EHLO x");
        var steps = 0;
        for (; steps < 100 && !late.IsCompleted; steps++)
        {
            await Task.Delay(10, CancellationToken.None);
            world.Time.Advance(TimeSpan.FromSeconds(5));
        }
        Assert.Equal("250 CHUNKING", await late);
        Assert.InRange(steps, 10, 30);
        await client.FinishAsync();
    }
}
