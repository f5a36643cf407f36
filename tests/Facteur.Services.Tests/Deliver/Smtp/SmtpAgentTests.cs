using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Net.Dns;
using Facteur.Services.Deliver.Smtp;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver.Smtp;

public sealed partial class SmtpAgentTests : IAsyncDisposable
{
    private const string Message = "Subject: x\n\n.dot\n..two\nx\n";
    private readonly TestLog _log = new();
    private readonly Notices _notices = new();
    private readonly StaticResolver _dns = new();
    private readonly MemoryTables _tables = new();
    private readonly List<IAsyncDisposable> _made = [];
    private MemoryContent _content = new(Message);
    private readonly BlockingThreads _threads = new("content", 2);
    private Exception? _fault;
    private string? _readOn;
    private string[] _arguments = [];
    private IMatchLists _lists = new NoLists();

    public async ValueTask DisposeAsync()
    {
        foreach (var made in Enumerable.Reverse(_made))
        {
            await made.DisposeAsync();
        }
        _threads.Dispose();
    }

    [Fact]
    public async Task A_message_is_relayed_with_dots_stuffed_and_every_option_in_place()
    {
        var peer = Peer();
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"], envelope: new Envelope
        {
            Sender = "bob@dest.example",
            EnvelopeId = "QQ+1",
            Return = DsnReturn.Headers,
            Body = BodyType.EightBitMime,
            ContentSize = 270,
        });
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Equal(
            ["== connect", "EHLO mx.dest.example", "MAIL FROM:<bob@dest.example> SIZE=270 BODY=8BITMIME ENVID=QQ+2B1 RET=HDRS",
                "RCPT TO:<a@remote.example> ORCPT=rfc822;a@remote.example", "DATA"],
            peer.Commands.Take(5));
        Assert.Equal("Subject: x\r\n\r\n..dot\r\n...two\r\nx\r\n", Assert.Single(peer.Messages));
        Assert.Matches(
            $@"^postfix/smtp: Q1: to=<a@remote.example>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:{peer.Port}, delay=[\d.]+, delays=[\d./]+, tls=may:none, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: stored\)$",
            Assert.Single(_log.Lines));
    }

    [Theory]
    [InlineData("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT", false, "XFORWARD NAME=client.example ADDR=192.0.2.9 PORT=77 | XFORWARD PROTO=ESMTP HELO=h+2Bx IDENT=Q1 SOURCE=REMOTE")]
    [InlineData("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT", true, "XFORWARD NAME=orig.example ADDR=IPv6:2001:db8::1 | XFORWARD IDENT=abc SOURCE=REMOTE")]
    [InlineData("XFORWARD NAME HELO", false, "XFORWARD NAME=client.example | XFORWARD HELO=h+2Bx")]
    [InlineData("XFORWARD FOO", false, "")]
    [InlineData("SIZE", false, "")]
    public async Task A_filter_is_told_from_whom_a_message_came(string offer, bool forwarded, string expected)
    {
        var peer = Peer().On("XFORWARD", "250 2.0.0 Ok");
        peer.Extensions = ["PIPELINING", offer];
        var attributes = !forwarded ? MessageAttributes.None : MessageAttributes.None.With(MessageAttributes.LogClientName, "orig.example")
            .With(MessageAttributes.LogClientAddress, "2001:db8::1").With(MessageAttributes.LogClientPort, "unknown").With(MessageAttributes.LogIdent, "abc");
        var result = await Deliver(Agent(("smtp_send_xforward_command", "yes")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"], envelope: new Envelope
        {
            Sender = "bob@dest.example",
            Client = new ClientInfo("client.example", "192.0.2.9", 77, "", "h+x", "ESMTP"),
            Attributes = attributes,
        });
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Equal(expected, string.Join(" | ", peer.Commands.Where(c => c.StartsWith("XFORWARD", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_filter_that_does_not_take_it_gets_the_message_all_the_same()
    {
        var peer = Peer().On("XFORWARD", "550 5.7.0 Error: insufficient authorization");
        peer.Extensions = ["XFORWARD IDENT SOURCE"];
        var result = await Deliver(Agent(("smtp_send_xforward_command", "yes")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Equal($"postfix/smtp: warning: host 127.0.0.1[127.0.0.1]:{peer.Port} said: 550 5.7.0 Error: insufficient authorization (in reply to XFORWARD helo/protocol command)", _log.Lines[0]);
    }

    [Fact]
    public async Task The_postmaster_is_told_of_a_server_that_does_not_understand_us()
    {
        var peer = Peer().On("RCPT TO:<bad@", "501-5.5.4 what\n501 5.5.4 is that");
        var agent = Agent(("notify_classes", "protocol, resource"), ("error_notice_recipient", "owner"), ("mail_name", "Postfix"));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["good@remote.example", "bad@remote.example"]);
        var (envelope, text) = Assert.Single(_notices.Sent);
        Assert.Equal(("double-bounce@mx.dest.example", MessageOrigin.Notice, "owner"), (envelope.Sender, envelope.Origin, envelope.Recipients[0].Address));
        var relay = $"127.0.0.1[127.0.0.1]:{peer.Port}";
        Assert.Contains($"\nTo: Postmaster <owner>\nSubject: Postfix SMTP client: errors from {relay}\n\nUnexpected response from {relay}.\n\nTranscript of session follows.\n\n In:  220 ", text);
        Assert.Contains("\n Out: RCPT TO:<bad@remote.example> ORCPT=rfc822;bad@remote.example\n", text);
        Assert.Contains("\n In:  501-5.5.4 what\n In:  501 5.5.4 is that\n", text);
        Assert.DoesNotContain("Subject: x", text);
        Assert.EndsWith("\n\nFor other details, see the local mail logfile\n", text);
    }

    [Theory]
    [InlineData("PIPELINING", "\n Out: RSET\n Out: QUIT\n In:  250 2.0.0 Ok\n\nFor other")]
    [InlineData("DSN", "\n Out: RSET\n In:  250 2.0.0 Ok\n Out: QUIT\n\nFor other")]
    public async Task The_postmaster_is_told_of_a_session_to_its_end(string extension, string expected)
    {
        var peer = Peer().On("DATA", "503 5.5.1 what").On("RSET", "250 2.0.0 Ok");
        peer.Extensions = [extension];
        await Deliver(Agent(("notify_classes", "protocol")), $"[127.0.0.1]:{peer.Port}", ["good@remote.example"]);
        Assert.Contains(expected, Assert.Single(_notices.Sent).Text);
    }

    [Fact]
    public async Task What_is_said_is_logged_where_the_entry_wants_it_and_no_notice_comes_of_that()
    {
        var peer = Peer().On("RCPT TO:<bad@remote.example>", "501 5.5.4 what");
        _verbose = true;
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["good@remote.example", "bad@remote.example"]);
        var relay = $"127.0.0.1[127.0.0.1]:{peer.Port}";
        var said = _log.Lines.Where(l => l.Contains($" {relay}: ") && (l.Contains(": > ") || l.Contains(": < "))).Select(l => l[(l.IndexOf(": ", StringComparison.Ordinal) + 2)..]).ToList();
        Assert.StartsWith($"< {relay}: 220 ", said[0], StringComparison.Ordinal);
        Assert.Equal($"> {relay}: EHLO mx.dest.example", said[1]);
        Assert.Contains($"> {relay}: RCPT TO:<bad@remote.example> ORCPT=rfc822;bad@remote.example", said);
        Assert.Contains($"< {relay}: 501 5.5.4 what", said);
        Assert.DoesNotContain(said, l => l.Contains("Subject"));
        Assert.Empty(_notices.Sent);
    }

    [Theory]
    [InlineData("550 5.1.1 no such user", "protocol", "bob@dest.example", 0)]
    [InlineData("500 5.5.2 what", "resource, software, bounce, policy", "bob@dest.example", 0)]
    [InlineData("500 5.5.2 what", "protocol", "double-bounce@mx.dest.example", 0)]
    [InlineData("500 5.5.2 what", "protocol", "", 0)]
    [InlineData("555 5.5.4 what", "protocol", "bob@dest.example", 10)]
    public async Task Notices_are_of_protocol_errors_alone_never_of_a_notice_and_so_many_in_a_minute(string reply, string classes, string sender, int count)
    {
        var peer = Peer().On("RCPT TO:", reply);
        var agent = Agent(("notify_classes", classes));
        for (var i = 0; i < 12; i++)
        {
            await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["bad@remote.example"], envelope: new Envelope { Sender = sender });
        }
        Assert.Equal(count, _notices.Sent.Count);
    }

    [Fact]
    public async Task Checks_change_what_is_sent_also_where_it_is_converted_and_a_table_that_fails_defers()
    {
        _tables.AddPattern("checks", line => line.StartsWith("Subject:", StringComparison.Ordinal) ? "REPLACE Subject: changed" : line.StartsWith("caf=", StringComparison.Ordinal) ? "REPLACE tea" : null);
        _content = new MemoryContent("Subject: x\nContent-Transfer-Encoding: 8bit\n\ncaf\xe9\n");
        var peer = Peer();
        var agent = Agent(("smtp_header_checks", "checks"), ("smtp_body_checks", "checks"), ("smtp_discard_ehlo_keywords", "8bitmime, smtputf8"));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal("Subject: changed\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ntea\r\n", Assert.Single(peer.Messages));

        var result = await Deliver(Agent(("smtp_header_checks", "none")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(("4.3.0", DeliveryOutcome.Deferred), (status.Status.ToString(), status.Outcome));
        Assert.StartsWith("local data error while talking to 127.0.0.1[127.0.0.1]", status.Reason, StringComparison.Ordinal);
        Assert.Single(peer.Messages);
    }

    [Fact]
    public async Task Generic_maps_change_envelope_and_headers_and_nothing_else()
    {
        _tables.Add("hash:generic", ("bob@dest.example", "bob.isp@isp.example"), ("@dest.example", "users@isp.example"), ("plus@remote.example", "other@remote.example"), ("short", "shorter"));
        _content = new MemoryContent(
            "From: Bob <bob@dest.example>\nTo: plus+x@remote.example (c), \"A B\" <ok@remote.example>\nCc: carol@dest.example\nX-Other: bob@dest.example\nReply-To:\n bob+y@dest.example\n\nbob@dest.example\n");
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_generic_maps", "hash:generic")), $"[127.0.0.1]:{peer.Port}", ["plus+x@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Contains("MAIL FROM:<bob.isp@isp.example> SIZE=0", peer.Commands);
        Assert.Contains("RCPT TO:<other@remote.example> ORCPT=rfc822;plus+2Bx@remote.example", peer.Commands);
        Assert.Equal(
            "From: Bob <bob.isp@isp.example>\r\nTo: other@remote.example (c), \"A B\" <ok@remote.example>\r\nCc: users@isp.example\r\nX-Other: bob@dest.example\r\n"
            + "Reply-To: bob.isp@isp.example\r\n\r\nbob@dest.example\r\n",
            Assert.Single(peer.Messages));
        Assert.Contains("to=<plus+x@remote.example>", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("From: bob@dest.example\n\nx\n", "From: bob.isp@isp.example\r\n\r\nx\r\n")]
    [InlineData("From: bob@dest.example\n", "From: bob.isp@isp.example\r\n")]
    [InlineData("\nbob@dest.example\n", "\r\nbob@dest.example\r\n")]
    [InlineData("no header\nFrom: bob@dest.example\n", "no header\r\nFrom: bob@dest.example\r\n")]
    [InlineData("", "")]
    public async Task Generic_maps_keep_messages_of_any_form_whole(string content, string expected)
    {
        _tables.Add("hash:generic", ("bob@dest.example", "bob.isp@isp.example"));
        _content = new MemoryContent(content);
        var peer = Peer();
        await Deliver(Agent(("smtp_generic_maps", "hash:generic")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal(expected, Assert.Single(peer.Messages));
    }

    [Fact]
    public async Task Generic_maps_that_cant_answer_put_off_and_their_line_ends_are_blanks()
    {
        _tables.Add("hash:evil", ("a@remote.example", "\"x\r\nDATA\"@remote.example"));
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_generic_maps", "hash:missing")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Deferred, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Empty(peer.Messages);
        await Deliver(Agent(("smtp_generic_maps", "hash:evil")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Contains("RCPT TO:<\"x  DATA\"@remote.example> ORCPT=rfc822;a@remote.example", peer.Commands);
        Assert.Contains("postfix/smtp: warning: smtp_generic_maps map lookup problem for bob@dest.example", _log.Lines);
    }

    [Fact]
    public async Task Recipients_get_their_own_replies_and_a_multi_line_reply_is_joined()
    {
        var peer = Peer().On("RCPT TO:<bad@", "550-5.1.1 no such\n550 5.1.1 user here").On("RCPT TO:<soft@", "450 4.2.0 busy");
        _dns.Add("mx2.remote.example", "A 127.0.0.1").Add("remote.example", "MX 20 mx2.remote.example");
        var result = await Deliver(Agent(), $"remote.example:{peer.Port}", ["bad@remote.example", "good@remote.example", "soft@remote.example"]);
        var by = result.Recipients.ToDictionary(r => r.Index, r => r.Status);
        Assert.Equal((DeliveryOutcome.Bounced, new EnhancedStatus(5, 1, 1)), (by[0].Outcome, by[0].Status));
        Assert.Equal("host mx2.remote.example[127.0.0.1] said: 550-5.1.1 no such 550 5.1.1 user here (in reply to RCPT TO command)", by[0].Reason);
        Assert.Equal(("smtp", "550-5.1.1 no such 550 5.1.1 user here", "dns", "mx2.remote.example"), (by[0].DiagnosticType, by[0].DiagnosticText, by[0].RemoteMtaType, by[0].RemoteMta));
        Assert.Equal(DeliveryOutcome.Sent, by[1].Outcome);
        Assert.Equal((DeliveryOutcome.Deferred, "host mx2.remote.example[127.0.0.1] said: 450 4.2.0 busy (in reply to RCPT TO command)"), (by[2].Outcome, by[2].Reason));
        Assert.Null(result.DestinationFailed);
    }

    [Fact]
    public async Task A_greeting_4xx_and_a_4xx_recipient_go_on_to_the_next_host()
    {
        var first = Peer("127.0.0.2").On("CONNECT", "421 4.3.2 overloaded");
        var second = PeerAt("127.0.0.3", first.Port).On("RCPT", "450 4.2.1 greylisted");
        var third = PeerAt("127.0.0.4", first.Port);
        _dns.Add("remote.example", "MX 10 mx1.remote.example", "MX 20 mx2.remote.example", "MX 30 mx3.remote.example")
            .Add("mx1.remote.example", "A 127.0.0.2").Add("mx2.remote.example", "A 127.0.0.3").Add("mx3.remote.example", "A 127.0.0.4");
        var result = await Deliver(Agent(), $"remote.example:{first.Port}", ["good@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Equal("postfix/smtp: Q1: host mx1.remote.example[127.0.0.2] refused to talk to me: 421 4.3.2 overloaded", _log.Lines[0]);
        Assert.Equal("postfix/smtp: Q1: host mx2.remote.example[127.0.0.3] said: 450 4.2.1 greylisted (in reply to RCPT TO command)", _log.Lines[1]);
        Assert.Contains("RSET", second.Commands);
        Assert.Single(third.Messages);
    }

    [Fact]
    public async Task After_the_session_limit_the_last_host_is_final()
    {
        var first = Peer("127.0.0.2").On("RCPT", "450 4.2.1 greylisted");
        PeerAt("127.0.0.3", first.Port).On("RCPT", "450 4.2.2 also");
        var third = PeerAt("127.0.0.4", first.Port);
        _dns.Add("r.example", "MX 10 a.example", "MX 20 b.example", "MX 30 c.example")
            .Add("a.example", "A 127.0.0.2").Add("b.example", "A 127.0.0.3").Add("c.example", "A 127.0.0.4");
        var result = await Deliver(Agent(), $"r.example:{first.Port}", ["x@r.example"]);
        Assert.Equal("host b.example[127.0.0.3] said: 450 4.2.2 also (in reply to RCPT TO command)", Assert.Single(result.Recipients).Status.Reason);
        Assert.Equal(0, third.Connections);
    }

    [Fact]
    public async Task EHLO_refused_falls_back_to_HELO_and_the_end_of_data_may_bounce()
    {
        var peer = Peer().On("EHLO", "502 5.5.1 no ehlo").On(".EOM", "554 5.6.0 content refused");
        _dns.Add("other.example", "A 127.0.0.1");
        var status = Assert.Single((await Deliver(Agent(), $"other.example:{peer.Port}", ["x@other.example"])).Recipients).Status;
        Assert.Equal("host other.example[127.0.0.1] said: 554 5.6.0 content refused (in reply to end of DATA command)", status.Reason);
        Assert.Equal(DeliveryOutcome.Bounced, status.Outcome);
        Assert.Equal(["== connect", "EHLO mx.dest.example", "HELO mx.dest.example", "MAIL FROM:<bob@dest.example>", "RCPT TO:<x@other.example>", "DATA"], peer.Commands.Take(6));
    }

    [Theory]
    [InlineData("nosuchdom.invalid", "5.4.4", "Host or domain name not found. Name service error for name=nosuchdom.invalid type=A: Host not found")]
    [InlineData("nomxnoa.example", "5.4.4", "Host or domain name not found. Name service error for name=nomxnoa.example type=A: Host found but no data record of requested type")]
    [InlineData("nullmx.example", "5.1.0", "Domain nullmx.example does not accept mail (nullMX)")]
    [InlineData("nullmx2.example", "5.1.0", "Domain nullmx2.example does not accept mail (nullMX)")]
    [InlineData("[ipv6:::1]", "5.4.4", "Name service error for ::1: invalid host or domain name")]
    [InlineData("tempfail.example", "4.4.3", "Host or domain name not found. Name service error for name=tempfail.example type=MX: Host not found, try again")]
    [InlineData("loop.example", "5.4.6", "mail for loop.example loops back to myself")]
    public async Task A_next_hop_that_can_not_be_found(string nexthop, string dsn, string reason)
    {
        _dns.Add("nullmx.example", "MX 0 .").Add("nullmx2.example", "MX 0 .", "MX 5 other.example").Add("other.example", "A 127.0.0.1").Add("nomxnoa.example", "TXT x").Add("loop.example", "MX 10 me.example").Add("me.example", "A 127.0.0.1");
        _dns.Failing.Add("tempfail.example");
        var result = await Deliver(Agent(), nexthop, ["x@" + nexthop]);
        Assert.Equal((dsn, reason), (result.Recipients[0].Status.Status.ToString(), result.Recipients[0].Status.Reason));
        Assert.Contains("relay=none", Assert.Single(_log.Lines), StringComparison.Ordinal);
        Assert.DoesNotContain("tls=", _log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_connection_is_logged_and_defers_with_the_destination_failed()
    {
        var port = Peer().Port;
        await _made[^1].DisposeAsync();
        _dns.Add("refuse.example", "A 127.0.0.1");
        var result = await Deliver(Agent(), $"refuse.example:{port}", ["x@refuse.example"]);
        Assert.Equal($"postfix/smtp: connect to refuse.example[127.0.0.1]:{port}: Connection refused", _log.Lines[0]);
        Assert.Contains($"relay=none, delay=", _log.Lines[1], StringComparison.Ordinal);
        Assert.Contains($"tls=may?, dsn=4.4.1, status=deferred (connect to refuse.example[127.0.0.1]:{port}: Connection refused)", _log.Lines[1], StringComparison.Ordinal);
        Assert.Equal($"connect to refuse.example[127.0.0.1]:{port}: Connection refused", result.DestinationFailed?.Reason);
    }

    [Theory]
    [InlineData("CONNECT", "lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting")]
    [InlineData("EHLO", "lost connection with 127.0.0.1[127.0.0.1] while performing the EHLO handshake")]
    [InlineData("MAIL", "lost connection with 127.0.0.1[127.0.0.1] while sending MAIL FROM")]
    [InlineData("RCPT", "lost connection with 127.0.0.1[127.0.0.1] while sending RCPT TO")]
    [InlineData("DATA", "lost connection with 127.0.0.1[127.0.0.1] while sending DATA command")]
    [InlineData(".EOM", "lost connection with 127.0.0.1[127.0.0.1] while sending end of data -- message may be sent more than once")]
    public async Task A_lost_connection_defers(string at, string reason)
    {
        var peer = Peer().On(at, "close");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal((DeliveryOutcome.Deferred, "4.4.2", reason), (status.Outcome, status.Status.ToString(), status.Reason));
        Assert.Equal(status, result.DestinationFailed);
    }

    [Fact]
    public async Task A_connection_that_is_lost_does_not_fail_a_destination_whose_next_host_speaks()
    {
        var first = Peer("127.0.0.2").On("MAIL", "close");
        PeerAt("127.0.0.3", first.Port).On("RCPT", "450 4.2.1 greylisted");
        _dns.Add("r.example", "MX 10 a.example", "MX 20 b.example").Add("a.example", "A 127.0.0.2").Add("b.example", "A 127.0.0.3");
        var result = await Deliver(Agent(), $"r.example:{first.Port}", ["x@r.example"]);
        Assert.Equal("4.2.1", Assert.Single(result.Recipients).Status.Status.ToString());
        Assert.Null(result.DestinationFailed);
    }

    [Fact]
    public async Task A_probe_that_ends_at_DATA_drops_the_connection_and_does_not_fail_the_destination()
    {
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_address_verify_target", "data")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.VerifyOnly);
        Assert.Equal((DeliveryOutcome.Deliverable, "354 go"), (Assert.Single(result.Recipients).Status.Outcome, result.Recipients[0].Status.Reason));
        Assert.Null(result.DestinationFailed);
    }

    [Theory]
    [InlineData("CONNECT", "smtp_helo_timeout", "receiving the initial server greeting")]
    [InlineData("RCPT", "smtp_rcpt_timeout", "sending RCPT TO")]
    [InlineData(".EOM", "smtp_data_done_timeout", "sending end of data -- message may be sent more than once")]
    public async Task A_silent_server_times_out(string at, string parameter, string doing)
    {
        var peer = Peer().On(at, "hang");
        var result = await Deliver(Agent((parameter, "1s")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(("4.4.2", $"conversation with 127.0.0.1[127.0.0.1] timed out while {doing}"), (status.Status.ToString(), status.Reason));
        Assert.Equal(status, result.DestinationFailed);
    }

    /// <summary>Postfix: what fits nowhere will not do better later.</summary>
    [Theory]
    [InlineData("MAIL FROM", "350 huh", "host 127.0.0.1[127.0.0.1] said: 350 huh (in reply to MAIL FROM command)")]
    [InlineData("RCPT TO", "350 huh", "host 127.0.0.1[127.0.0.1] said: 350 huh (in reply to RCPT TO command)")]
    [InlineData("DATA", "250 what", "Protocol error: host 127.0.0.1[127.0.0.1] said: 250 what (in reply to DATA command)")]
    [InlineData(".EOM", "354 more", "host 127.0.0.1[127.0.0.1] said: 354 more (in reply to end of DATA command)")]
    [InlineData("CONNECT", "350 huh", "host 127.0.0.1[127.0.0.1] refused to talk to me: 350 huh")]
    public async Task A_reply_of_another_class_than_may_come_is_final_and_its_text_is_kept(string at, string reply, string reason)
    {
        var peer = Peer().On(at, reply);
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("5.5.0", DeliveryOutcome.Bounced, reason), (status.Status.ToString(), status.Outcome, status.Reason));
    }

    [Fact]
    public async Task Garbage_is_no_reply()
    {
        var peer = Peer().On("MAIL", "hello there\n250 2.1.0 Ok");
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("4.5.0", DeliveryOutcome.Deferred), (status.Status.ToString(), status.Outcome));
        Assert.Empty(peer.Messages);
    }

    [Fact]
    public async Task A_5xx_greeting_is_skipped_or_bounces()
    {
        var peer = Peer().On("CONNECT", "554 5.7.1 go away");
        var soft = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("4.7.1", "host 127.0.0.1[127.0.0.1] refused to talk to me: 554 5.7.1 go away"), (soft.Status.ToString(), soft.Reason));
        var hard = Assert.Single((await Deliver(Agent(("smtp_skip_5xx_greeting", "no")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("5.7.1", DeliveryOutcome.Bounced), (hard.Status.ToString(), hard.Outcome));
    }

    [Theory]
    [InlineData("8BITMIME", "no", " BODY=8BITMIME", "Content-Transfer-Encoding: 8bit\r\nContent-Type: text/plain\r\n\r\n..caf\u00e9\r\n")]
    [InlineData("SIZE 0", "no", "", "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n..caf=C3=A9\r\n")]
    [InlineData("SIZE 0", "yes", " SIZE=0", "Content-Transfer-Encoding: 8bit\r\nContent-Type: text/plain\r\n\r\n..caf\u00e9\r\n")]
    public async Task Content_of_8_bits_is_converted_for_a_server_without_8BITMIME(string offer, string disabled, string option, string expected)
    {
        var peer = Peer();
        peer.Extensions = [offer];
        _content = new MemoryContent("Content-Transfer-Encoding: 8b", "it\nContent-Type: text/plain\n\n.", "caf\u00e9\n");
        var agent = Agent(("disable_mime_output_conversion", disabled));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], envelope: new Envelope { Sender = "bob@dest.example", Body = BodyType.EightBitMime });
        Assert.Contains("MAIL FROM:<bob@dest.example>" + option, peer.Commands);
        Assert.Equal(expected, Assert.Single(peer.Messages));
    }

    [Fact]
    public async Task Long_lines_are_broken_and_that_is_logged_once()
    {
        var peer = Peer();
        _content = new MemoryContent(new string('x', 45) + "\n", new string('y', 25) + "\n");
        await Deliver(Agent(("smtp_line_length_limit", "20")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal($"{new string('x', 20)}\r\n {new string('x', 19)}\r\n xxxxxx\r\n{new string('y', 20)}\r\n yyyyy\r\n", Assert.Single(peer.Messages));
        Assert.Single(_log.Lines, line => line.EndsWith(": breaking line > 20 bytes with <CR><LF>SPACE", StringComparison.Ordinal));
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Single(_log.Lines, line => line.Contains("breaking line", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_knows_HELO_only_gets_7_bits_whatever_the_envelope_says_of_the_content()
    {
        var peer = Peer().On("EHLO", "502 5.5.1 no ehlo");
        _content = new MemoryContent("Content-Transfer-Encoding: 8bit\n\n\u00e9\n");
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], envelope: new Envelope { Sender = "bob@dest.example", Body = BodyType.SevenBit });
        Assert.Equal("Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n", Assert.Single(peer.Messages));
    }

    [Theory]
    [InlineData("\n\n--d\n\u00e9\n")]
    [InlineData("\nno header \u00e9")]
    public async Task A_message_that_nests_too_deep_to_be_converted_bounces_and_never_gets_a_final_dot(string rest)
    {
        var peer = Peer();
        peer.Extensions = ["PIPELINING"];
        _content = new MemoryContent("Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d" + rest);
        var result = await Deliver(Agent(("mime_nesting_limit", "1")), $"[127.0.0.1]:{peer.Port}", ["x@y.example", "z@y.example"]);
        Assert.All(result.Recipients, r => Assert.Equal(
            (DeliveryOutcome.Bounced, "5.6.0", "MIME nesting exceeds safety limit"), (r.Status.Outcome, r.Status.Status.ToString(), r.Status.Reason)));
        Assert.Equal(2, result.Recipients.Count);
        Assert.Null(result.DestinationFailed);
        await Until(() => peer.Commands.Contains("== eof in data"));
        Assert.Empty(peer.Messages);
    }

    /// <summary>Limits that are none: mail with 7 bits goes out as it is, however deep it nests.</summary>
    [Theory]
    [InlineData("mime_nesting_limit", "1")]
    [InlineData("header_size_limit", "3000000000")]
    [InlineData("line_length_limit", "3000000000")]
    [InlineData("mime_nesting_limit", "3000000000")]
    [InlineData("mime_boundary_length_limit", "3000000000")]
    public async Task Mail_of_7_bits_is_the_same_for_a_server_without_8BITMIME(string limit, string value)
    {
        var peer = Peer();
        peer.Extensions = [];
        const string Content = "Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d\n\n--d\nContent-Type: text/plain\n\nx\n--d--\n";
        _content = new MemoryContent(Content);
        await Deliver(Agent((limit, value)), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal(Content.ReplaceLineEndings("\r\n"), Assert.Single(peer.Messages));
    }

    [Fact]
    public async Task A_boundary_is_looked_at_to_its_limit()
    {
        var peer = Peer();
        peer.Extensions = [];
        _content = new MemoryContent("Content-Type: multipart/mixed; boundary=abcdef\n\n--abxx\nContent-Transfer-Encoding: 8bit\n\n\u00e9\n");
        await Deliver(Agent(("mime_boundary_length_limit", "2")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.EndsWith("--abxx\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n", Assert.Single(peer.Messages), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ContentRead.Moved, false)]
    [InlineData(ContentRead.Damaged, true)]
    public async Task Content_that_can_not_be_read_whole_never_gets_a_final_dot(ContentRead how, bool damaged)
    {
        var peer = Peer();
        _content = new MemoryContent("Subject: x\n\n", "more\n") { Fails = (1, how) };
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Empty(result.Recipients);
        Assert.Equal(damaged, result.Damaged);
        await Until(() => peer.Commands.Contains("== eof in data"));
        Assert.Empty(peer.Messages);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(3600, true)]
    public async Task Content_of_mail_that_waited_is_read_on_other_threads_than_the_sockets(int seconds, bool aside)
    {
        var peer = Peer();
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: seconds);
        Assert.Single(peer.Messages);
        Assert.Equal(aside, _readOn == "content");
        // So are the headers of a message that asks for SMTPUTF8.
        peer.Extensions = ["PIPELINING"];
        _content = new MemoryContent("Subject: \u00e9\n\n", "x\n");
        _readOn = null;
        var result = await Deliver(
            Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], envelope: new Envelope { Sender = "bob@dest.example", Flags = MessageFlags.SmtpUtf8 }, waited: seconds);
        Assert.Equal("5.6.7", result.Recipients[0].Status.Status.ToString());
        Assert.Equal(aside, _readOn == "content");
    }

    [Fact]
    public async Task A_fault_of_ours_closes_the_connection_and_keeps_what_is_settled()
    {
        var peer = Peer().On("RCPT TO:<no@", "550 5.1.1 unknown");
        _content = new MemoryContent("Subject: x\n\n", "more\n");
        _fault = new InvalidOperationException("broken");
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]).AsTask());
        Assert.Same(_fault, thrown);
        await Until(() => peer.Commands.Contains("== eof in data"));
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["no@y.example", "x@y.example"]);
        Assert.Equal((0, DeliveryOutcome.Bounced), (Assert.Single(result.Recipients).Index, result.Recipients[0].Status.Outcome));
        Assert.Contains(_log.Lines, l => l.Contains("Q1: System.InvalidOperationException: broken", StringComparison.Ordinal));
        await Until(() => peer.Commands.Count(c => c == "== eof in data") == 2);
        Assert.Empty(peer.Messages);
    }

    [Fact]
    public async Task A_kept_connection_is_used_again_and_counted()
    {
        var peer = Peer();
        var agent = Agent();
        for (var i = 0; i < 3; i++)
        {
            await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        }
        Assert.Equal(1, peer.Connections);
        Assert.Equal(3, peer.Messages.Count);
        // Postfix: once before each use that is not the first.
        Assert.Equal(["DATA", "RSET", "MAIL FROM:<bob@dest.example> SIZE=0", "RCPT TO:<x@y.example> ORCPT=rfc822;x@y.example", "DATA", "RSET"], peer.Commands.Skip(4).Take(6));
        Assert.Equal(2, peer.Commands.Count(c => c == "RSET"));
        Assert.DoesNotContain("conn_use", _log.Lines[0], StringComparison.Ordinal);
        Assert.Contains($"]:{peer.Port}, conn_use=3, delay=", _log.Lines[2], StringComparison.Ordinal);
    }

    /// <summary>Postfix counts uses after the first.</summary>
    [Theory]
    [InlineData("0", 1)]
    [InlineData("1", 2)]
    [InlineData("2", 2)]
    [InlineData("3", 1)]
    public async Task A_kept_connection_is_used_again_so_often(string limit, int connections)
    {
        var peer = Peer();
        var agent = Agent(("smtp_connection_reuse_count_limit", limit));
        for (var i = 0; i < 4; i++)
        {
            await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        }
        Assert.Equal(4, peer.Messages.Count);
        Assert.Equal(connections, peer.Connections);
    }

    [Fact]
    public async Task A_kept_connection_ends_after_its_time()
    {
        var peer = Peer();
        var agent = Agent(("smtp_connection_cache_time_limit", "1s"));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        await Until(() => peer.Commands.Contains("QUIT"));
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal(2, peer.Connections);
    }

    [Fact]
    public async Task Servers_that_do_not_answer_QUIT_do_not_hold_up_the_end()
    {
        var agent = Agent(("smtp_skip_quit_response", "no"));
        for (var i = 0; i < 5; i++)
        {
            await Deliver(agent, $"[127.0.0.1]:{Peer().On("QUIT", "hang").Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        }
        var polite = Peer();
        await Deliver(agent, $"[127.0.0.1]:{polite.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        await ((IAsyncDisposable)agent).DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken);
        await Until(() => polite.Commands.Contains("QUIT"));
    }

    [Fact]
    public async Task A_kept_connection_that_died_is_replaced_in_silence()
    {
        var peer = Peer().On("MAIL FROM:<second@", "close");
        var agent = Agent();
        await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        var fresh = await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"], DeliveryFlags.UseConnection, envelope: new Envelope { Sender = "second@y.example" });
        Assert.Equal(2, peer.Connections);
        Assert.Equal(DeliveryOutcome.Deferred, fresh.Recipients[0].Status.Outcome);
        Assert.Equal("postfix/smtp: Q1: lost connection with 127.0.0.1[127.0.0.1] while sending MAIL FROM", _log.Lines[1]);
    }

    [Fact]
    public async Task LMTP_answers_for_each_recipient()
    {
        var path = Path.Combine(Path.GetTempPath(), $"lmtp-{Guid.NewGuid():N}");
        var peer = new SmtpPeer(unix: path) { Lmtp = true };
        _made.Add(peer);
        peer.On(".EOM RCPT TO:<bob@", "552 5.2.2 over quota").On(".EOM RCPT TO:<carol@", "452 4.2.2 busy").On("RCPT TO:<dave@", "550 5.1.1 dave gone");
        var result = await Deliver(Agent(true), "unix:" + path, ["alice@d.example", "bob@d.example", "carol@d.example", "dave@d.example"]);
        var by = result.Recipients.ToDictionary(r => r.Index, r => r.Status);
        Assert.Equal(DeliveryOutcome.Sent, by[0].Outcome);
        Assert.Equal($"host mx.dest.example[{path}] said: 552 5.2.2 over quota (in reply to end of DATA command)", by[1].Reason);
        Assert.Equal((DeliveryOutcome.Deferred, "4.2.2"), (by[2].Outcome, by[2].Status.ToString()));
        Assert.Equal($"host mx.dest.example[{path}] said: 550 5.1.1 dave gone (in reply to RCPT TO command)", by[3].Reason);
        Assert.Contains("LHLO mx.dest.example", peer.Commands);
        Assert.Contains(_log.Lines, l => l.Contains($"relay=mx.dest.example[{path}], delay=", StringComparison.Ordinal) && l.Contains("tls=none", StringComparison.Ordinal));
        File.Delete(path);
    }

    [Fact]
    public async Task LMTP_a_relative_socket_lies_below_the_queue_directory_and_one_too_long_is_a_mistake_in_the_configuration()
    {
        var directory = Directory.CreateTempSubdirectory("lmtp-").FullName;
        var peer = new SmtpPeer(unix: Path.Combine(directory, "sock")) { Lmtp = true };
        _made.Add(peer);
        var agent = Agent(true, ("queue_directory", directory));
        Assert.Equal(DeliveryOutcome.Sent, (await Deliver(agent, "unix:sock", ["a@d.example"])).Recipients[0].Status.Outcome);
        Assert.Contains(_log.Lines, l => l.Contains("relay=mx.dest.example[sock], delay=", StringComparison.Ordinal));
        Assert.Equal("connect to mx.dest.example[gone]: No such file or directory", (await Deliver(agent, "unix:gone", ["a@d.example"])).Recipients[0].Status.Reason);
        Assert.Equal(("4.3.5", "Server configuration error"), Says((await Deliver(agent, "unix:" + new string('x', 120), ["a@d.example"])).Recipients[0].Status));
        Directory.Delete(directory, true);

        static (string, string) Says(DeliveryStatus status) => (status.Status.ToString(), status.Reason);
    }

    [Theory]
    [InlineData("/private/sock")]
    [InlineData("private/sock")]
    [InlineData("/../private/sock")]
    public async Task LMTP_of_a_chroot_service_finds_every_socket_below_the_queue_directory(string name)
    {
        var directory = Directory.CreateTempSubdirectory("lmtp-").FullName;
        Directory.CreateDirectory(Path.Combine(directory, "private"));
        var peer = new SmtpPeer(unix: Path.Combine(directory, "private/sock")) { Lmtp = true };
        _made.Add(peer);
        Assert.Equal(DeliveryOutcome.Sent, (await Deliver(Agent(true, chroot: true, ("queue_directory", directory)), "unix:" + name, ["a@d.example"])).Recipients[0].Status.Outcome);
        // What the log and the peer's lines say is what the configuration says.
        Assert.Contains(_log.Lines, l => l.Contains($"relay=mx.dest.example[{name}], delay=", StringComparison.Ordinal));
        Directory.Delete(directory, true);
    }

    [Theory]
    [InlineData("inet:127.0.0.1:PORT")]
    [InlineData("inet:[127.0.0.1]:PORT")]
    [InlineData("[127.0.0.1]:PORT")]
    [InlineData("127.0.0.1:PORT")]
    [InlineData("box.d.example:PORT")]
    [InlineData("inet:box.d.example:PORT")]
    public async Task LMTP_goes_to_hosts_and_ports_and_asks_for_no_MX(string nexthop)
    {
        _dns.Add("box.d.example", "A 127.0.0.1", "MX 5 elsewhere.example");
        var peer = new SmtpPeer { Lmtp = true };
        _made.Add(peer);
        var result = await Deliver(Agent(true), nexthop.Replace("PORT", $"{peer.Port}"), ["a@d.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
    }

    [Fact]
    public async Task LMTP_without_accepted_recipients_waits_for_no_reply_to_the_dot()
    {
        var peer = new SmtpPeer { Lmtp = true };
        _made.Add(peer);
        peer.On("RCPT", "550 5.1.1 no").On("DATA", "354 go");
        var result = await Deliver(Agent(true), $"127.0.0.1:{peer.Port}", ["a@d.example"]).AsTask().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(DeliveryOutcome.Bounced, result.Recipients[0].Status.Outcome);
        Assert.Equal("", Assert.Single(peer.Messages));
        Assert.Contains("QUIT", peer.Commands);
    }

    [Fact]
    public async Task LMTP_a_server_that_leaves_between_its_replies_leaves_the_others_deferred()
    {
        var peer = new SmtpPeer { Lmtp = true };
        _made.Add(peer);
        peer.On(".EOM RCPT TO:<bob@", "close");
        var by = (await Deliver(Agent(true), $"127.0.0.1:{peer.Port}", ["alice@d.example", "bob@d.example", "carol@d.example"])).Recipients.ToDictionary(r => r.Index, r => r.Status.Outcome);
        Assert.Equal((DeliveryOutcome.Sent, DeliveryOutcome.Deferred, DeliveryOutcome.Deferred), (by[0], by[1], by[2]));
    }

    [Fact]
    public async Task LMTP_keeps_connections_while_much_waits()
    {
        var peer = new SmtpPeer { Lmtp = true };
        _made.Add(peer);
        var agent = Agent(true);
        await Deliver(agent, $"127.0.0.1:{peer.Port}", ["a@d.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        await Deliver(agent, $"127.0.0.1:{peer.Port}", ["b@d.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        Assert.Equal(1, peer.Connections);
        Assert.Contains(_log.Lines, l => l.Contains("conn_use=2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_prefixes_are_LMTPs_alone()
    {
        var result = await Deliver(Agent(), "inet:25", ["a@d.example"]);
        Assert.StartsWith("Host or domain name not found. Name service error for name=inet type=", result.Recipients[0].Status.Reason);
    }

    [Fact]
    public async Task Without_pipelining_commands_wait_and_DATA_is_not_sent_in_vain()
    {
        var peer = Peer().On("RCPT", "550 5.1.1 no");
        peer.Extensions = ["SIZE 10"];
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal("5.1.1", status.Status.ToString());
        Assert.DoesNotContain("DATA", peer.Commands);
    }

    [Fact]
    public async Task Data_asked_for_without_recipients_ends_with_a_dot()
    {
        var peer = Peer().On("RCPT", "550 5.1.1 no").On("DATA", "354 go").On(".EOM none", "554 5.5.1 none");
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("", Assert.Single(peer.Messages));
    }

    [Fact]
    public async Task Too_big_for_the_server_bounces_before_MAIL()
    {
        var peer = Peer();
        peer.Extensions = ["SIZE 100"];
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], envelope: new Envelope { ContentSize = 101 });
        Assert.Equal("message size 101 exceeds size limit 100 of server 127.0.0.1[127.0.0.1]", result.Recipients[0].Status.Reason);
        Assert.DoesNotContain(peer.Commands, c => c.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SMTPUTF8_is_asked_for_or_bounces_where_it_is_needed()
    {
        var peer = Peer();
        var envelope = new Envelope { Sender = "bob@dest.example", Flags = MessageFlags.SmtpUtf8 };
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["zoé@y.example"], envelope: envelope);
        Assert.Contains("MAIL FROM:<bob@dest.example> SIZE=0 SMTPUTF8", peer.Commands);
        Assert.Contains("RCPT TO:<zoé@y.example> ORCPT=rfc822;zo+C3+A9@y.example", peer.Commands);
        envelope = new Envelope { Sender = "bob@dest.example", Flags = MessageFlags.SmtpUtf8, Origin = MessageOrigin.Pickup };
        await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["zoé@y.example"], envelope: envelope);
        Assert.Contains("RCPT TO:<zoé@y.example> ORCPT=utf-8;zo\\x{E9}@y.example", peer.Commands);
        peer.Extensions = ["PIPELINING"];
        var refused = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["zoé@y.example"], envelope: envelope);
        Assert.Equal(
            ("5.6.7", "message requires SMTPUTF8, but no server was found that supports SMTPUTF8. The last attempted server was 127.0.0.1[127.0.0.1]"),
            (refused.Recipients[0].Status.Status.ToString(), refused.Recipients[0].Status.Reason));
        var plain = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["zoe@y.example"], envelope: envelope);
        Assert.Equal(DeliveryOutcome.Sent, plain.Recipients[0].Status.Outcome);
    }

    // Postfix: a server with DSN tells of success itself, flags=X or not; "delivered" is said of LMTP alone.
    [Theory]
    [InlineData(false, "DSN", "", DsnNotify.Success, DsnAction.None)]
    [InlineData(false, "DSN", "", DsnNotify.Delay, DsnAction.Relayed)]
    [InlineData(false, "X", "", DsnNotify.Success, DsnAction.Relayed)]
    [InlineData(false, "X", "", DsnNotify.None, DsnAction.Relayed)]
    [InlineData(false, "X", "flags=X", DsnNotify.Success, DsnAction.Relayed)]
    [InlineData(true, "X", "flags=X", DsnNotify.Success, DsnAction.Delivered)]
    [InlineData(true, "DSN", "flags=X", DsnNotify.Success, DsnAction.None)]
    [InlineData(true, "X", "", DsnNotify.Success, DsnAction.Relayed)]
    public async Task A_success_is_relayed_where_the_server_does_not_tell_of_it(bool lmtp, string extension, string flags, DsnNotify notify, DsnAction action)
    {
        var peer = new SmtpPeer { Lmtp = lmtp, Extensions = [extension] };
        _made.Add(peer);
        _arguments = flags.Length > 0 ? [flags] : [];
        var result = await Deliver(Agent(lmtp), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], notify: notify | DsnNotify.Delay);
        Assert.Equal(action, result.Recipients[0].Status.Action);
        Assert.Equal(extension == "DSN" && notify == DsnNotify.Success, peer.Commands.Contains("RCPT TO:<x@y.example> ORCPT=rfc822;x@y.example NOTIFY=SUCCESS,DELAY"));
    }

    [Theory]
    [InlineData("flags=DOR", false, "Return-Path: <bob@dest.example>\r\nX-Original-To: x@y.example\r\nDelivered-To: x@y.example\r\n")]
    [InlineData("flags=D", false, "Delivered-To: x@y.example\r\n")]
    [InlineData("flags=D", true, "mail forwarding loop for x@y.example")]
    [InlineData("flags=O", true, "X-Original-To: x@y.example\r\n")]
    public async Task Headers_of_one_recipient_are_prepended_and_its_Delivered_To_is_a_loop(string flags, bool loops, string expected)
    {
        var peer = Peer();
        _arguments = [flags];
        _content = new MemoryContent(loops ? "Received: x\ndelivered-to: X@y.example\n\nx\n" : "Received: x\n\nDelivered-To: x@y.example\n");
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        if (peer.Messages.Count == 0)
        {
            Assert.Equal((DeliveryOutcome.Bounced, "5.4.6", expected), (status.Outcome, status.Status.ToString(), status.Reason));
            return;
        }
        Assert.StartsWith(expected, Assert.Single(peer.Messages), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delivered_To_is_of_one_recipient()
    {
        _arguments = ["flags=D"];
        var result = await Deliver(Agent(), "[127.0.0.1]:1", ["x@y.example", "z@y.example"]);
        Assert.All(result.Recipients, r => Assert.Equal(("4.3.5", "mail system configuration error"), (r.Status.Status.ToString(), r.Status.Reason)));
        Assert.Equal("postfix/smtp: warning: flag `D' requires smtp_destination_recipient_limit = 1", _log.Lines[0]);
        Assert.Null(result.DestinationFailed);
        Assert.Contains("to=<x@y.example>, relay=smtp, delay=", _log.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task STARTTLS_is_used_when_offered()
    {
        var peer = new SmtpPeer { Tls = Certificates.Server(), Extensions = ["PIPELINING", "STARTTLS"] };
        _made.Add(peer);
        var result = await Deliver(Agent(("smtp_tls_loglevel", "1")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
        Assert.Equal(["== connect", "EHLO mx.dest.example", "STARTTLS", "== tls TLSv1.3", "EHLO mx.dest.example"], peer.Commands.Take(5));
        Assert.Matches(@"^postfix/smtp: Untrusted TLS connection established to 127.0.0.1\[127.0.0.1\]:\d+: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 \(256/256 bits\)$", _log.Lines[0]);
        Assert.Contains("tls=may, dsn=2.0.0", _log.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plain_text_behind_the_reply_to_STARTTLS_is_refused()
    {
        var peer = Peer().On("STARTTLS", "220 go\n250 injected");
        peer.Extensions = ["STARTTLS"];
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("4.7.0", "host 127.0.0.1[127.0.0.1] sent plain text after its reply to STARTTLS"), (status.Status.ToString(), status.Reason));
        Assert.DoesNotContain(peer.Commands, c => c.StartsWith("MAIL", StringComparison.Ordinal));
        // It counts as a failed handshake.
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: 600)).Recipients).Status.Outcome);
    }

    [Theory]
    [InlineData("may", "454 4.7.0 not now", DeliveryOutcome.Sent, "2.0.0")]
    [InlineData("may", "554 5.7.0 never", DeliveryOutcome.Sent, "2.0.0")]
    [InlineData("encrypt", "454 4.7.0 not now", DeliveryOutcome.Deferred, "4.7.0")]
    [InlineData("encrypt", "554 5.7.0 never", DeliveryOutcome.Bounced, "5.7.0")]
    public async Task STARTTLS_that_is_refused(string level, string reply, DeliveryOutcome outcome, string dsn)
    {
        var peer = Peer().On("STARTTLS", reply);
        peer.Extensions = ["STARTTLS"];
        var status = Assert.Single((await Deliver(Agent(("smtp_tls_security_level", level)), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal((outcome, dsn), (status.Outcome, status.Status.ToString()));
        Assert.Equal(outcome == DeliveryOutcome.Sent ? "250 2.0.0 Ok: stored" : $"TLS is required, but host 127.0.0.1[127.0.0.1] refused to start TLS: {reply}", status.Reason);
    }

    // Postfix: TLS was not required, so that it is the closed connection that counts, where the server closes it.
    [Fact]
    public async Task A_server_that_says_421_to_STARTTLS_is_sent_MAIL()
    {
        var peer = Peer().On("STARTTLS", "421 4.7.0 not now");
        peer.Extensions = ["STARTTLS"];
        var status = Assert.Single((await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status;
        Assert.Equal(("4.4.2", "lost connection with 127.0.0.1[127.0.0.1] while sending MAIL FROM"), (status.Status.ToString(), status.Reason));
    }

    [Theory]
    [InlineData(0, DeliveryOutcome.Deferred)]
    [InlineData(600, DeliveryOutcome.Sent)]
    public async Task A_failed_handshake_defers_and_is_replaced_by_plain_text_for_mail_that_waited(int seconds, DeliveryOutcome outcome)
    {
        var peer = Peer().On("STARTTLS", "220 go|close");
        peer.Extensions = ["STARTTLS"];
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x@y.example"], waited: seconds);
        Assert.Equal(outcome, result.Recipients[0].Status.Outcome);
        if (outcome == DeliveryOutcome.Deferred)
        {
            Assert.Equal("Cannot start TLS: handshake failure", result.Recipients[0].Status.Reason);
        }
    }

    [Fact]
    public async Task Mandatory_TLS_that_is_not_offered_defers()
    {
        var peer = Peer();
        var result = await Deliver(Agent(("smtp_tls_security_level", "encrypt")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal("TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]", result.Recipients[0].Status.Reason);
        Assert.Contains("tls=encrypt:none, dsn=4.7.4", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_probe_ends_at_RCPT()
    {
        var peer = Peer().On("RCPT TO:<no@", "550 5.1.1 unknown");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["yes@y.example", "no@y.example"], DeliveryFlags.VerifyOnly);
        var by = result.Recipients.ToDictionary(r => r.Index, r => r.Status.Outcome);
        Assert.Equal((DeliveryOutcome.Deliverable, DeliveryOutcome.Undeliverable), (by[0], by[1]));
        Assert.DoesNotContain("DATA", peer.Commands);
        Assert.Contains("RSET", peer.Commands);
    }

    [Fact]
    public async Task A_fallback_relay_takes_what_the_destination_does_not()
    {
        var peer = Peer();
        _dns.Failing.Add("tempfail.example");
        var result = await Deliver(Agent(("smtp_fallback_relay", $"[127.0.0.1]:{peer.Port}")), "tempfail.example", ["x@tempfail.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
    }

    // The connection to a relay is not one to the destination.
    [Fact]
    public async Task A_connection_to_a_fallback_relay_is_not_kept_for_the_destination()
    {
        var peer = Peer();
        _dns.Failing.Add("tempfail.example");
        var agent = Agent(("smtp_fallback_relay", $"[127.0.0.1]:{peer.Port}"));
        for (var i = 0; i < 2; i++)
        {
            await Deliver(agent, "tempfail.example", ["x@tempfail.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        }
        Assert.Equal((2, 2), (peer.Connections, peer.Messages.Count));
    }

    [Theory]
    [InlineData("MX 20 me.example", false, "connect to best.example[224.0.0.1]:25: ")]
    [InlineData("MX 20 other.example", true, "")]
    [InlineData("MX 5 gone.invalid|MX 20 me.example", false, "connect to best.example[224.0.0.1]:25: ")]
    public async Task A_fallback_relay_is_not_for_mail_that_we_are_a_backup_host_of(string others, bool used, string why)
    {
        var peer = Peer();
        _dns.Add("backup.example", ["MX 10 best.example", .. others.Split('|')]);
        // Nothing of TCP is there: refused at once.
        _dns.Add("best.example", "A 224.0.0.1").Add("other.example", "A 224.0.0.2").Add("me.example", "A 127.0.0.1");
        var result = await Deliver(Agent(("smtp_fallback_relay", $"[127.0.0.1]:{peer.Port}")), "backup.example", ["x@backup.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(used ? DeliveryOutcome.Sent : DeliveryOutcome.Deferred, status.Outcome);
        Assert.Equal(used, peer.Commands.Count > 0);
        Assert.StartsWith(why, used ? "" : status.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fallback_relay_is_not_for_mail_whose_primary_host_is_not_found()
    {
        var peer = Peer();
        _dns.Add("backup.example", "MX 10 gone.invalid", "MX 20 best.example", "MX 30 me.example").Add("best.example", "A 127.0.0.1").Add("me.example", "A 127.0.0.1");
        var result = await Deliver(Agent(("smtp_fallback_relay", $"[127.0.0.1]:{peer.Port}")), "backup.example", ["x@backup.example"]);
        Assert.Equal("unable to find primary relay for backup.example", Assert.Single(result.Recipients).Status.Reason);
        Assert.Empty(peer.Commands);
    }

    [Theory]
    [InlineData("SRV 0 0 PORT host.example", "no", "no", "")]
    [InlineData("SRV 0 0 1 gone.invalid;SRV 1 0 PORT host.example", "no", "no", "")]
    [InlineData("", "no", "no", "5.4.4 Host or domain name not found. Name service error for name=_submission._tcp.srv.example type=SRV: Host not found")]
    [InlineData("TXT x", "no", "no", "5.4.4 Host or domain name not found. Name service error for name=_submission._tcp.srv.example type=SRV: Host found but no data record of requested type")]
    [InlineData("", "yes", "no", "")]
    [InlineData("SRV 0 0 0 .", "no", "no", "5.4.4 Domain srv.example does not offer the service submission")]
    [InlineData("SRV 0 0 0 .", "yes", "no", "")]
    [InlineData("FAIL", "yes", "no", "4.4.3 Host or domain name not found. Name service error for name=_submission._tcp.srv.example type=SRV: Host not found, try again")]
    [InlineData("FAIL", "no", "yes", "")]
    public async Task A_service_is_found_by_SRV_records(string records, string fallback, string ignore, string expected)
    {
        var peer = Peer();
        _dns.Add("host.example", "A 127.0.0.1").Add("srv.example", "MX 10 host.example");
        if (records == "FAIL")
        {
            _dns.Failing.Add("_submission._tcp.srv.example");
        }
        else if (records.Length > 0)
        {
            _dns.Add("_submission._tcp.srv.example", records.Replace("PORT", $"{peer.Port}", StringComparison.Ordinal).Split(';'));
        }
        var agent = Agent(("use_srv_lookup", "submission"), ("allow_srv_lookup_fallback", fallback), ("ignore_srv_lookup_error", ignore), ("known_tcp_ports", $"smtp=25, submission={peer.Port}"));
        var status = Assert.Single((await Deliver(agent, "srv.example:submission", ["x@y.example"])).Recipients).Status;
        Assert.Equal(expected, status.Outcome == DeliveryOutcome.Sent ? "" : $"{status.Status} {status.Reason}");
        // Brackets name a host, and a number no service.
        var asked = _dns.Asked.Count(a => a.StartsWith("SRV", StringComparison.Ordinal));
        await Deliver(agent, "[host.example]:submission", ["x@y.example"]);
        await Deliver(agent, $"host.example:{peer.Port}", ["x@y.example"]);
        Assert.Equal(asked, _dns.Asked.Count(a => a.StartsWith("SRV", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("no", "alias.example")]
    [InlineData("yes", "real.example")]
    public async Task A_host_that_is_an_alias_has_the_name_that_is_wanted(string overrides, string name)
    {
        var peer = Peer();
        _dns.Add("alias.example", "CNAME real.example").Add("real.example", "A 127.0.0.1");
        await Deliver(Agent(("smtp_cname_overrides_servername", overrides)), $"[alias.example]:{peer.Port}", ["x@y.example"]);
        Assert.Contains($"relay={name}[127.0.0.1]:{peer.Port},", _log.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void SRV_records_come_by_priority_and_by_lot_of_their_weights()
    {
        SrvRecord[] records = [new(1, 0, 1, "last"), new(0, 1, 1, "a"), new(0, 9, 1, "b"), new(0, 0, 1, "never")];
        var first = Enumerable.Range(0, 2000).Select(_ => SmtpHostFinder.InOrder(records)).ToList();
        Assert.All(first, order => Assert.Equal("last", order[^1].Host));
        Assert.All(first, order => Assert.Equal(4, order.Count));
        Assert.InRange(first.Count(order => order[0].Host == "b"), 1400, 1900);
        Assert.InRange(first.Count(order => order[0].Host == "a"), 50, 450);
    }

    [Theory]
    [InlineData("", false, "loop.example", true)]
    [InlineData("local", false, "loop.example", false)]
    [InlineData("local", true, "loop.example", true)]
    [InlineData("local", false, "backup.example", true)]
    [InlineData("local", false, "nosuch.invalid", true)]
    public async Task Mail_that_loops_is_left_to_best_mx_transport(string transport, bool passed, string nexthop, bool ends)
    {
        _dns.Add("loop.example", "MX 10 me.example").Add("me.example", "A 127.0.0.1").Add("backup.example", "MX 10 gone.invalid", "MX 30 me.example");
        var result = await Deliver(Agent(("best_mx_transport", transport)), nexthop, ["x@y.example"], flags: passed ? DeliveryFlags.Passed : DeliveryFlags.None);
        Assert.Equal((ends ? 1 : 0, !ends), (result.Recipients.Count, result.Loops));
        Assert.Equal(ends ? 1 : 0, _log.Lines.Count);
        Assert.Null(result.DestinationFailed is { Outcome: DeliveryOutcome.Deferred } failed && nexthop == "loop.example" ? failed : null);
    }

    [Theory]
    [InlineData("nosuch.invalid", "relayhost", "Host or domain name not found. Name service error for name=nosuch.invalid type=A: Host not found")]
    [InlineData("[nosuch.invalid]", "relayhost", "Host or domain name not found. Name service error for name=nosuch.invalid type=A: Host not found")]
    [InlineData("loop.example", "relayhost", "mail for loop.example loops back to myself")]
    [InlineData("nullmx.example", "relayhost", "Domain nullmx.example does not accept mail (nullMX)")]
    [InlineData("nosuch.invalid", "smtp_fallback_relay", "Host or domain name not found. Name service error for name=nosuch.invalid type=A: Host not found")]
    [InlineData("loop.example", "smtp_fallback_relay", "mail for loop.example loops back to myself")]
    public async Task Mail_waits_while_a_relayhost_or_fallback_relay_is_wrong(string relay, string parameter, string reason)
    {
        _dns.Add("nullmx.example", "MX 0 .").Add("loop.example", "MX 10 me.example").Add("me.example", "A 127.0.0.1");
        var isRelayhost = parameter == "relayhost";
        var result = await Deliver(Agent((parameter, relay)), isRelayhost ? relay : "other.invalid", ["x@y.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal((DeliveryOutcome.Deferred, "4.3.5", reason), (status.Outcome, status.Status.ToString(), status.Reason));
        Assert.Equal(DsnAction.Delayed, status.Action);
        Assert.Equal(status, result.DestinationFailed);
        Assert.Equal($"postfix/smtp: warning: {parameter} configuration problem", _log.Lines[0]);
        // A next hop that is no relayhost is still refused for good.
        var other = await Deliver(Agent(("relayhost", relay)), "other.invalid", ["x@other.invalid"]);
        Assert.Equal(DeliveryOutcome.Bounced, Assert.Single(other.Recipients).Status.Outcome);
    }

    [Fact]
    public async Task Many_recipients_are_pipelined_in_parts_and_counted_exactly()
    {
        var peer = Peer().On("RCPT TO:<r77@", "550 5.1.1 no");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", [.. Enumerable.Range(0, 300).Select(i => $"r{i}@y.example")]);
        Assert.Equal(299, result.Recipients.Count(r => r.Status.Outcome == DeliveryOutcome.Sent));
        Assert.Equal(77, result.Recipients.Single(r => r.Status.Outcome == DeliveryOutcome.Bounced).Index);
    }

    [Fact]
    public async Task A_refused_sender_is_told_of_for_all_recipients()
    {
        var peer = Peer().On("MAIL", "550 5.7.1 no such sender");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["a@y.example", "b@y.example"], DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        Assert.All(result.Recipients, r => Assert.Equal("host 127.0.0.1[127.0.0.1] said: 550 5.7.1 no such sender (in reply to MAIL FROM command)", r.Status.Reason));
        // The server asked for content all the same, and the dot ended the transaction.
        Assert.DoesNotContain("RSET", peer.Commands);
    }

    [Fact]
    public async Task A_refused_sender_of_many_recipients_waits_for_no_reply_to_what_was_not_sent()
    {
        var peer = Peer().On("MAIL", "550 5.7.1 no such sender").On("RCPT", "503 5.5.1 need MAIL");
        var result = await Deliver(
            Agent(("smtp_rcpt_timeout", "5s"), ("smtp_mail_timeout", "5s")), $"[127.0.0.1]:{peer.Port}", [.. Enumerable.Range(0, 300).Select(i => $"r{i}@y.example")],
            DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection);
        Assert.Equal(300, result.Recipients.Count(r => r.Status.Outcome == DeliveryOutcome.Bounced));
        Assert.InRange(peer.Commands.Count(c => c.StartsWith("RCPT", StringComparison.Ordinal)), 1, 299);
        Assert.Equal("RSET", peer.Commands[^1]);
        Assert.DoesNotContain("DATA", peer.Commands);
    }

    [Fact]
    public async Task Several_next_hops_are_tried_in_turn()
    {
        var peer = Peer();
        var result = await Deliver(Agent(), $"[127.0.0.9]:{peer.Port}, [127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
        Assert.StartsWith($"postfix/smtp: connect to 127.0.0.9[127.0.0.9]:{peer.Port}: Connection refused", _log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Soft_bounce_keeps_mail_that_was_refused()
    {
        var peer = Peer().On("RCPT", "550 5.1.1 no");
        var result = await Deliver(Agent(("soft_bounce", "yes")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        Assert.Equal((DeliveryOutcome.Deferred, "4.1.1"), (result.Recipients[0].Status.Outcome, result.Recipients[0].Status.Status.ToString()));
    }

    [Theory]
    [InlineData("MAIL")]
    [InlineData("RCPT")]
    [InlineData("EHLO")]
    [InlineData(".EOM")]
    public async Task With_soft_bounce_the_next_host_is_asked_after_a_refusal(string at)
    {
        var first = Peer("127.0.0.2").On(at, "550 5.1.1 no");
        _ = at == "EHLO" ? first.On("HELO", "550 5.1.1 no") : first;
        var second = PeerAt("127.0.0.3", first.Port);
        var result = await Deliver(Agent(("soft_bounce", "yes")), $"[127.0.0.2]:{first.Port}, [127.0.0.3]:{first.Port}", ["x@y.example"]);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
        Assert.Single(second.Messages);
    }

    // postconf(5), smtp_connection_cache_destinations: "without [] or non-default TCP port".
    [Theory]
    [InlineData("127.0.0.1", 1)]
    [InlineData("[127.0.0.1]", 2)]
    public async Task Destinations_whose_connections_are_kept_stand_without_brackets_and_port(string listed, int connections)
    {
        var peer = Peer();
        _lists = new OneName(listed);
        var agent = Agent(("smtp_connection_cache_destinations", listed));
        for (var i = 0; i < 2; i++)
        {
            await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["x@y.example"]);
        }
        Assert.Equal(connections, peer.Connections);
    }

    // Postfix: relayhost is compared with the first of its hosts, so that a list of them has no net.
    [Fact]
    public async Task Of_several_relayhosts_none_may_be_missing()
    {
        const string Relayhost = "nosuch.invalid, [nosuch.invalid]";
        var status = Assert.Single((await Deliver(Agent(("relayhost", Relayhost)), Relayhost, ["x@y.example"])).Recipients).Status;
        Assert.Equal((DeliveryOutcome.Bounced, "5.4.4"), (status.Outcome, status.Status.ToString()));
    }

    private sealed class OneName(string name) : IMatchLists, IDomainList
    {
        public IDomainList Domains(string parameter, string value) => this;

        public INetworkList Networks(string parameter, string value) => throw new NotSupportedException();

        public ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel) => ValueTask.FromResult(domain == name ? LookupStatus.Found : LookupStatus.NotFound);
    }

    [Fact]
    public async Task A_control_character_never_reaches_a_command()
    {
        var peer = Peer();
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["x\r\nRSET@y.example"]);
        Assert.Equal("5.1.3", result.Recipients[0].Status.Status.ToString());
        Assert.Equal(0, peer.Connections);
    }

    [Fact]
    public async Task Level_dane_is_may_and_says_so()
    {
        var peer = Peer().On("STARTTLS", "454 4.7.0 not now");
        peer.Extensions = ["STARTTLS"];
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single((await Deliver(Agent(("smtp_tls_security_level", "dane")), $"[127.0.0.1]:{peer.Port}", ["x@y.example"])).Recipients).Status.Outcome);
        Assert.Contains(_log.Lines, line => line.EndsWith("warning: smtp_tls_security_level = dane: TLSA records are not looked up yet: mail goes as with level may", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("smtp_tls_security_level", "dane-only", "smtp_tls_security_level = dane-only: expected one of none, may, encrypt")]
    [InlineData("smtp_tcp_port", "nosuch", "smtp_tcp_port = nosuch: expected a number or a name of known_tcp_ports")]
    [InlineData("smtp_host_lookup", "nis", "smtp_host_lookup = nis: expected one of dns, native")]
    public void What_can_not_be_done_is_said_at_start(string name, string value, string message) =>
        Assert.Equal(message, Assert.Throws<ConfigException>(() => Agent((name, value))).Message);

    private static async Task Until(Func<bool> condition)
    {
        for (var i = 0; i < 400 && !condition(); i++)
        {
            await Task.Delay(10);
        }
        Assert.True(condition());
    }

    private SmtpPeer Peer(string address = "127.0.0.1")
    {
        var peer = new SmtpPeer(address);
        _made.Add(peer);
        return peer;
    }

    private SmtpPeer PeerAt(string address, int port)
    {
        var peer = new SmtpPeer(address, port: port);
        _made.Add(peer);
        return peer;
    }

    private bool _verbose;

    private SmtpAgent Agent(params (string Name, string Value)[] values) => Agent(false, values);

    private SmtpAgent Agent(bool lmtp, params (string Name, string Value)[] values) => Agent(lmtp, chroot: false, values);

    private SmtpAgent Agent(bool lmtp, bool chroot, params (string Name, string Value)[] values)
    {
        var set = values.Select(v => v.Name).ToHashSet();
        var config = new TestConfig([.. values, .. set.Contains("smtp_tls_security_level") ? [] : new[] { ("smtp_tls_security_level", "may") }, ("inet_protocols", "ipv4")]);
        var agent = new SmtpAgent(
            config, lmtp, _arguments, new SocketNames(config.Get(CommonParameters.QueueDirectory), chroot), _dns, new HostsFile("/nonexistent", TimeProvider.System), _lists, new Forward(this),
            _threads, _notices, new ServiceLog(_log, lmtp ? "postfix/lmtp" : "postfix/smtp", _verbose), TimeProvider.System, _tables, _tables, new MemoryAddressMaps("+", "dest.example"));
        _made.Add(agent);
        return agent;
    }

    private ValueTask<DeliveryResult> Deliver(
        SmtpAgent agent, string nexthop, string[] recipients, DeliveryFlags flags = DeliveryFlags.None, Envelope? envelope = null,
        DsnNotify notify = DsnNotify.None, int waited = 0)
    {
        envelope ??= new Envelope { Sender = "bob@dest.example" };
        var now = DeliveryTimes.Now(TimeProvider.System);
        envelope.ArrivalMicros = now - waited * 1_000_000L;
        return agent.DeliverAsync(
            new DeliveryRequest
            {
                RequestId = 1,
                MessageId = 2,
                QueueId = "Q1",
                Transport = "smtp",
                Nexthop = nexthop,
                Envelope = envelope,
                Recipients = [.. recipients.Select((r, i) => new DeliveryRecipient(i, new EnvelopeRecipient(r, Notify: notify)))],
                Layout = _content.Layout,
                ActiveMicros = now,
                Flags = flags,
            },
            CancellationToken.None);
    }

    private sealed class Notices : IResubmit
    {
        public List<(Envelope Envelope, string Text)> Sent { get; } = [];

        public IResubmitMessage Begin(Envelope envelope) => new Notice(this, envelope);

        private sealed class Notice(Notices notices, Envelope envelope) : IResubmitMessage
        {
            private string _text = "";

            public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
            {
                _text += System.Text.Encoding.UTF8.GetString(content.Span);
                return default;
            }

            public ValueTask<ResubmitResult> EndAsync(CancellationToken cancel)
            {
                notices.Sent.Add((envelope, _text));
                return new(new ResubmitResult(new CleanupResult(CleanupStatus.Ok), "N1"));
            }

            public void Dispose()
            {
            }
        }
    }

    private sealed class NoLists : IMatchLists
    {
        public IDomainList Domains(string parameter, string value) => throw new InvalidOperationException(parameter);

        public INetworkList Networks(string parameter, string value) => throw new InvalidOperationException(parameter);
    }

    private sealed class Forward(SmtpAgentTests owner) : ISpoolReader
    {
        public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
        {
            owner._readOn = Thread.CurrentThread.Name;
            return owner._fault is { } fault && extent > 0 ? throw fault : owner._content.Read(id, layout, extent, offset, buffer, out content);
        }

        public void Dispose()
        {
        }
    }
}
