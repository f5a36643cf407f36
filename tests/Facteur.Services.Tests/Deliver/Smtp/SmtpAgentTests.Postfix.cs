using System.Net;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Net.Connections;
using Facteur.Services.Deliver.Smtp;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver.Smtp;

/// <summary>What was seen of Postfix's own client where a server is odd, old or gone.</summary>
public sealed partial class SmtpAgentTests
{
    private const string Bob = "MAIL FROM:<bob@dest.example>";

    [Theory]
    [InlineData("SIZE", BodyType.None, "no", "")]
    [InlineData("SIZE", BodyType.EightBitMime, "no", "")]
    [InlineData("SIZE", BodyType.SevenBit, "no", " SIZE=270")]
    [InlineData("SIZE", BodyType.None, "yes", " SIZE=270")]
    [InlineData("SIZE,8BITMIME", BodyType.None, "no", " SIZE=270")]
    [InlineData("SIZE,8BITMIME", BodyType.SevenBit, "no", " SIZE=270 BODY=7BIT")]
    [InlineData("PIPELINING,SIZE", BodyType.None, "no", "")]
    [InlineData("PIPELINING,SIZE x,8BITMIME", BodyType.None, "no", " SIZE=270")]
    [InlineData("SIZE,SMTPUTF8", BodyType.EightBitMime, "no", " SIZE=270 BODY=8BITMIME")]
    public async Task The_size_is_said_where_it_is_known(string offer, BodyType body, string disabled, string options)
    {
        var peer = Peer();
        peer.Extensions = offer.Split(',');
        await Deliver(
            Agent(("disable_mime_output_conversion", disabled)), $"[127.0.0.1]:{peer.Port}", ["x@y.example"],
            envelope: new Envelope { Sender = "bob@dest.example", Body = body, ContentSize = 270 });
        Assert.Contains(Bob + options, peer.Commands);
        var relay = $"127.0.0.1[127.0.0.1]:{peer.Port}";
        Assert.Equal(offer.Contains("SIZE x"), _log.Lines.Contains($"postfix/smtp: warning: bad EHLO SIZE limit \"x\" from {relay}"));
        Assert.Equal(offer.Contains("UTF8"), _log.Lines.Contains("postfix/smtp: host 127.0.0.1[127.0.0.1] offers SMTPUTF8 support, but not 8BITMIME"));
    }

    [Theory]
    [InlineData("SMTPUTF8", "")]
    [InlineData("SMTPUTF8,8BITMIME", "8bitmime")]
    public async Task Content_for_a_server_with_SMTPUTF8_alone_is_not_converted(string offer, string discarded)
    {
        var peer = Peer();
        peer.Extensions = offer.Split(',');
        _content = new MemoryContent("Content-Transfer-Encoding: 8bit\n\ncaf\u00e9\n");
        await Deliver(Agent(("smtp_discard_ehlo_keywords", discarded)), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("Content-Transfer-Encoding: 8bit\r\n\r\ncaf\u00e9\r\n", Assert.Single(peer.Messages));
    }

    [Fact]
    public async Task A_table_that_fails_for_a_header_drops_the_connection_so_that_nothing_gets_into_the_message()
    {
        _tables.Add("hash:generic", ("bob@dest.example", "bob.isp@isp.example"));
        _tables.FailOn("hash:generic", "carol@dest.example");
        _content = new MemoryContent("From: carol@dest.example\n\nx\n");
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_generic_maps", "hash:generic")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"])
            .AsTask().WaitAsync(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken);
        Assert.Equal(("4.3.0", "address mapping problem"), (result.Recipients[0].Status.Status.ToString(), result.Recipients[0].Status.Reason));
        await Until(() => peer.Commands.Contains("== eof in data"));
        Assert.Empty(peer.Messages);
    }

    /// <summary>Postfix: nothing is said of it, and nobody waits for it.</summary>
    [Theory]
    [InlineData("close")]
    [InlineData("hang")]
    [InlineData("421 4.3.2 bye")]
    [InlineData("450 4.3.2 no")]
    [InlineData("500 5.5.1 what")]
    public async Task A_kept_connection_that_RSET_does_not_clear_is_replaced_in_silence(string reply)
    {
        var peer = Peer().On("RSET", reply);
        var agent = Agent(("smtp_rset_timeout", "1s"), ("smtp_mail_timeout", "300s"));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection);
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        Assert.Contains("RSET", peer.Commands);
        Assert.Equal((2, 2), (peer.Connections, peer.Messages.Count));
        Assert.Equal(2, _log.Lines.Count);
        Assert.All(_log.Lines, line => Assert.Contains("status=sent", line, StringComparison.Ordinal));
        Assert.DoesNotContain("conn_use", _log.Lines[1], StringComparison.Ordinal);
    }

    /// <summary>Else qmgr would go on as with a destination that answers.</summary>
    [Theory]
    [InlineData("PIPELINING")]
    [InlineData("SIZE")]
    public async Task A_kept_connection_that_is_gone_does_not_say_that_its_destination_lives(string offer)
    {
        var peer = Peer("127.0.0.2").On("RSET", "close");
        peer.Extensions = [offer];
        _dns.Add("r.example", "A 127.0.0.2");
        var agent = Agent();
        Assert.Null((await Deliver(agent, $"r.example:{peer.Port}", ["x@r.example"], DeliveryFlags.KeepConnection)).DestinationFailed);
        _dns.Set("r.example", "A 127.0.0.9");
        var result = await Deliver(agent, $"r.example:{peer.Port}", ["x@r.example"], DeliveryFlags.UseConnection);
        Assert.Contains("RSET", peer.Commands);
        Assert.Equal($"connect to r.example[127.0.0.9]:{peer.Port}: Connection refused", result.DestinationFailed?.Reason);
    }

    /// <summary>A server that delivers to one recipient after the other is not out of time because it has many.</summary>
    [Fact]
    public async Task LMTP_each_answer_to_the_dot_has_its_own_time()
    {
        var peer = new SmtpPeer { Lmtp = true }.On(".EOM", "late 250 2.1.5 delivered");
        _made.Add(peer);
        var result = await Deliver(Agent(true, ("lmtp_data_done_timeout", "3s")), $"inet:[127.0.0.1]:{peer.Port}", ["a@d.example", "b@d.example", "c@d.example"]);
        Assert.Equal([DeliveryOutcome.Sent, DeliveryOutcome.Sent, DeliveryOutcome.Sent], result.Recipients.Select(r => r.Status.Outcome));
    }

    [Fact]
    public async Task What_a_host_says_of_a_whole_message_is_told_once()
    {
        var first = Peer("127.0.0.2").On("RCPT TO:<c@", "450 4.2.1 busy").On(".EOM", "451 4.3.0 not now");
        var second = PeerAt("127.0.0.3", first.Port);
        _dns.Add("r.example", "MX 10 a.example", "MX 20 b.example").Add("a.example", "A 127.0.0.2").Add("b.example", "A 127.0.0.3");
        var result = await Deliver(Agent(), $"r.example:{first.Port}", ["a@r.example", "b@r.example", "c@r.example"]);
        Assert.All(result.Recipients, r => Assert.Equal(DeliveryOutcome.Sent, r.Status.Outcome));
        Assert.Equal(3, result.Recipients.Count);
        Assert.Single(second.Messages);
        Assert.Single(_log.Lines, line => line.Contains("said: 451 4.3.0 not now", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Addresses_in_MX_records_are_used_and_told_but_for_those_of_a_family_that_is_not_spoken()
    {
        var peer = Peer();
        _dns.Add("r.example", "MX 10 127.0.0.1").Add("six.example", "MX 10 2001:db8::1");
        Assert.Equal(DeliveryOutcome.Sent, (await Deliver(Agent(), $"r.example:{peer.Port}", ["a@r.example"])).Recipients[0].Status.Outcome);
        Assert.Equal("postfix/smtp: warning: numeric domain name in resource data of MX record for r.example: 127.0.0.1", _log.Lines[0]);
        Assert.Equal("Name service error for 2001:db8::1: invalid host or domain name", (await Deliver(Agent(), $"six.example:{peer.Port}", ["a@six.example"])).Recipients[0].Status.Reason);
    }

    [Theory]
    [InlineData("smtp_host_lookup", "native", "nosuchdom.invalid", "5.4.4", "unable to look up host nosuchdom.invalid: Name or service not known")]
    [InlineData("smtp_host_lookup", "native", "text.example", "5.3.0", "unable to look up host text.example: No address associated with hostname")]
    [InlineData("smtp_host_lookup", "native", "tempfail.example", "4.4.3", "Host or domain name not found. Name service error for name=tempfail.example type=MX: Host not found, try again")]
    [InlineData("smtp_dns_support_level", "disabled", "text.example", "5.3.0", "unable to look up host text.example: No address associated with hostname")]
    [InlineData("smtp_dns_support_level", "disabled", "tempfail.example", "4.4.3", "unable to look up host tempfail.example: Temporary failure in name resolution")]
    public async Task The_systems_own_lookup_has_its_own_words(string parameter, string value, string nexthop, string dsn, string reason)
    {
        _dns.Add("text.example", "TXT x");
        _dns.Failing.Add("tempfail.example");
        var result = await Deliver(Agent((parameter, value)), nexthop, ["x@y.example"]);
        Assert.Equal((dsn, reason), (result.Recipients[0].Status.Status.ToString(), result.Recipients[0].Status.Reason));
    }

    [Theory]
    [InlineData("[127.0.0.1]:")]
    [InlineData("127.0.0.1:")]
    [InlineData("[127.0.0.1]")]
    public async Task A_colon_with_no_port_behind_it_says_nothing(string nexthop)
    {
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_tcp_port", $"{peer.Port}")), nexthop, ["x@y.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
    }

    [Fact]
    public async Task What_is_no_reply_is_told_in_one_line()
    {
        var peer = Peer().On("MAIL", "0-[] too much mail\n0 today");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("non-SMTP response from 127.0.0.1[127.0.0.1] while sending MAIL FROM", result.Recipients[0].Status.Reason);
        Assert.Contains($"postfix/smtp: warning: Q1: non-ESMTP response from 127.0.0.1[127.0.0.1]:{peer.Port}: 0-[] too much mail", _log.Lines);
    }

    [Fact]
    public async Task A_reply_of_another_command_is_quoted()
    {
        var peer = Peer().On("RCPT", "354 go");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("host 127.0.0.1[127.0.0.1] said: 354 go (in reply to RCPT TO command)", result.Recipients[0].Status.Reason);
    }

    /// <summary>Postfix: the last line says it, where lines differ.</summary>
    [Theory]
    [InlineData("550-5.1.1 a\n450 4.2.1 b", "4.2.1")]
    [InlineData("450-4.2.1 a\n550 5.1.1 b", "5.1.1")]
    [InlineData("550-a\n550 5.1.1 b", "5.1.1")]
    public async Task Lines_of_a_reply_that_differ(string reply, string dsn)
    {
        var peer = Peer().On("RCPT TO:<x@", reply);
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example", "z@y.example"]);
        Assert.Equal([dsn, "2.0.0"], result.Recipients.OrderBy(r => r.Index).Select(r => r.Status.Status.ToString()));
    }

    /// <summary>Enough for no socket's buffers, so that the loss is seen before the dot.</summary>
    [Theory]
    [InlineData("close", "4.4.2", "lost connection with a.example[127.0.0.2] while sending message body", true)]
    [InlineData("250 2.0.0 fine|close", "4.4.2", "lost connection with a.example[127.0.0.2] while sending message body", true)]
    [InlineData("452 4.3.4 full|close", "4.3.4", "host a.example[127.0.0.2] said: 452 4.3.4 full (in reply to end of DATA command)", true)]
    [InlineData("552 5.3.4 too big|close", "5.3.4", "host a.example[127.0.0.2] said: 552 5.3.4 too big (in reply to end of DATA command)", false)]
    public async Task A_server_that_goes_away_within_the_content_has_no_message_and_the_next_host_gets_it(string last, string dsn, string reason, bool goesOn)
    {
        _content = new MemoryContent([.. Enumerable.Repeat(new string('x', 990) + "\n", 20_000)]);
        var first = Peer("127.0.0.2").On(".BODY", last);
        var second = PeerAt("127.0.0.3", first.Port);
        _dns.Add("r.example", "MX 10 a.example", "MX 20 b.example").Add("one.example", "MX 10 a.example").Add("a.example", "A 127.0.0.2").Add("b.example", "A 127.0.0.3");
        var alone = (await Deliver(Agent(), $"one.example:{first.Port}", ["x@r.example"], DeliveryFlags.KeepConnection)).Recipients[0].Status;
        Assert.Equal((dsn, reason), (alone.Status.ToString(), alone.Reason));
        Assert.Equal(goesOn ? DeliveryOutcome.Deferred : DeliveryOutcome.Bounced, alone.Outcome);
        var before = _log.Lines.Count;
        var status = (await Deliver(Agent(), $"r.example:{first.Port}", ["x@r.example"])).Recipients[0].Status;
        Assert.Equal(goesOn ? DeliveryOutcome.Sent : DeliveryOutcome.Bounced, status.Outcome);
        Assert.Equal(goesOn ? 1 : 0, second.Messages.Count);
        Assert.Equal(goesOn, _log.Lines.Skip(before).Contains($"postfix/smtp: Q1: {reason}"));
    }

    [Fact]
    public async Task Content_that_a_server_does_not_take_times_out()
    {
        _content = new MemoryContent([.. Enumerable.Repeat(new string('x', 990) + "\n", 20_000)]);
        var peer = Peer().On(".BODY", "hang");
        var result = await Deliver(Agent(("smtp_data_xfer_timeout", "1s")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("conversation with 127.0.0.1[127.0.0.1] timed out while sending message body", result.Recipients[0].Status.Reason);
    }

    [Theory]
    [InlineData("EHLO", "performing the EHLO handshake")]
    [InlineData("MAIL", "sending MAIL FROM")]
    [InlineData("RCPT", "sending RCPT TO")]
    [InlineData("DATA", "sending DATA command")]
    [InlineData(".EOM", "sending end of data -- message may be sent more than once")]
    public async Task TLS_that_breaks_off_is_replaced_by_plain_text_for_mail_that_waited(string at, string doing)
    {
        var peer = new SmtpPeer { Tls = Certificates.Server(), Extensions = ["PIPELINING", "STARTTLS"] };
        _made.Add(peer.On("TLS " + at, "close"));
        var young = (await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: 200)).Recipients[0].Status;
        Assert.Equal((DeliveryOutcome.Deferred, $"lost connection with 127.0.0.1[127.0.0.1] while {doing}"), (young.Outcome, young.Reason));
        var secured = (await Deliver(Agent(("smtp_tls_security_level", "encrypt")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: 600)).Recipients[0].Status;
        Assert.Equal(young.Reason, secured.Reason);
        var before = _log.Lines.Count;

        var old = (await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: 600)).Recipients[0].Status;
        Assert.Equal(DeliveryOutcome.Sent, old.Outcome);
        Assert.Equal($"postfix/smtp: Q1: {young.Reason}", _log.Lines[before]);
        Assert.Contains("tls=may:none, dsn=2.0.0", _log.Lines[before + 1], StringComparison.Ordinal);
        Assert.Equal(4, peer.Connections);
    }

    [Fact]
    public async Task Recipients_that_have_their_answer_are_not_asked_for_again_in_plain_text()
    {
        var peer = new SmtpPeer { Tls = Certificates.Server(), Extensions = ["PIPELINING", "STARTTLS"] };
        _made.Add(peer.On("TLS DATA", "close").On("RCPT TO:<soft@", "450 4.2.0 soft").On("RCPT TO:<hard@", "550 5.2.0 hard"));
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example", "soft@y.example", "hard@y.example"], waited: 600);
        Assert.Equal(["2.0.0", "4.2.0", "5.2.0"], result.Recipients.OrderBy(r => r.Index).Select(r => r.Status.Status.ToString()));
        Assert.Equal(1, peer.Commands.Count(c => c.StartsWith("RCPT TO:<soft@", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("220 mx.dest.example ESMTP", "250-other.example\n250 DSN", 25, true, "", "greeted me")]
    [InlineData("220 other.example mx.dest.example ESMTP", "250-other.example\n250 DSN", 25, true, "", "")]
    [InlineData("220 mx.dest.example ESMTP", "250-other.example\n250 DSN", 26, true, "", "")]
    [InlineData("220 x ESMTP", "250-MX.dest.example hi\n250 DSN", 25, true, "5.4.6", "replied to HELO/EHLO")]
    [InlineData("220 x ESMTP", "250 mx.dest.example", 25, false, "4.4.6", "replied to HELO/EHLO")]
    [InlineData("220 x ESMTP", "250 mx.dest.example", 26, false, "", "")]
    public async Task A_host_with_our_own_name_is_ourselves(string greeting, string reply, int port, bool best, string dsn, string said)
    {
        var peer = Peer().On("CONNECT", greeting).On("EHLO", reply);
        var cancel = TestContext.Current.CancellationToken;
        var connected = await Connector.ConnectAsync(new IPEndPoint(IPAddress.Loopback, peer.Port), null, TimeSpan.FromSeconds(5), TimeProvider.System, cancel);
        var settings = new SmtpSettings(new TestConfig(("inet_protocols", "ipv4")), false, [], static _ => { });
        // Who is asked is at the port of SMTP, as far as the session knows.
        var host = new SmtpHost("mx1.remote.example", "192.0.2.1", new IPEndPoint(IPAddress.Loopback, port), 10, best);
        await using var session = new SmtpSession(connected.Connection!, host, settings, new SmtpLog(new ServiceLog(_log, "postfix/smtp")), TimeProvider.System);
        var request = new DeliveryRequest { RequestId = 1, MessageId = 2, QueueId = "Q1", Transport = "smtp", Nexthop = "remote.example:25", Envelope = new Envelope(), Recipients = [], Layout = _content.Layout, ActiveMicros = 0 };
        var why = await session.OpenAsync(request, false, null!, "remote.example", cancel);
        Assert.Equal(dsn.Length > 0 ? $"{dsn} mail for remote.example:25 loops back to myself" : "", why is null ? "" : $"{why.Status} {why.Reason}");
        Assert.Equal(
            said.Length > 0 ? [$"postfix/smtp: warning: host mx1.remote.example[192.0.2.1]:25 {said} with my own hostname mx.dest.example"] : [],
            _log.Lines);
    }
}
