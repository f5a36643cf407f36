using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver.Smtp;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver.Smtp;

/// <summary>Tables and switches that bend a session to what a server is like.</summary>
public sealed partial class SmtpAgentTests
{
    [Theory]
    [InlineData("550 5.7.1 come back later", "/550 5.7.1/450 4.7.1/", "4.7.1", "(450 4.7.1 come back later (in reply to RCPT TO command))")]
    [InlineData("garbage\n550 5.1.1 nobody", "/garbage/550-filler/", "5.1.1", "550-filler 550 5.1.1 nobody (in reply to RCPT TO command)")]
    [InlineData("450 4.2.0 busy", "/busy/idle/", "4.2.0", "said: 450 4.2.0 idle (in reply")]
    public async Task Lines_of_replies_are_what_the_filter_makes_of_them(string reply, string rule, string status, string text)
    {
        var words = rule.Split('/');
        _tables.AddPattern("filter", line => line.Contains(words[1], StringComparison.Ordinal) ? line.Replace(words[1], words[2], StringComparison.Ordinal) : null);
        var peer = Peer().On("RCPT TO:", reply);
        var result = await Deliver(Agent(("smtp_reply_filter", "filter")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        var got = Assert.Single(result.Recipients).Status;
        Assert.Equal(status, got.Status.ToString());
        Assert.Contains(text.Trim('(', ')'), got.Reason);
        Assert.Contains(_log.Lines, line => line.StartsWith($"postfix/smtp: 127.0.0.1[127.0.0.1]:{peer.Port}: replacing server reply \"{(rule[1] == 'g' ? "garbage" : reply)}\" with \"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_the_filter_garbage_ends_the_session_and_a_filter_that_fails_defers()
    {
        var peer = Peer().On("RCPT TO:", "garbage\n550 5.1.1 nobody");
        var result = await Deliver(Agent(), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.StartsWith("non-SMTP response from", Assert.Single(result.Recipients).Status.Reason, StringComparison.Ordinal);
        result = await Deliver(Agent(("smtp_reply_filter", "missing")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal("local data error while talking to 127.0.0.1[127.0.0.1]", Assert.Single(result.Recipients).Status.Reason);
        Assert.Contains(_log.Lines, line => line.Contains("table missing lookup error for 220 sink", StringComparison.Ordinal));
        // Multi-line replies pass through a filter that says nothing, whole.
        _tables.AddPattern("quiet", _ => null);
        result = await Deliver(Agent(("smtp_reply_filter", "quiet")), $"[127.0.0.1]:{Peer().Port}", ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
    }

    [Theory]
    [InlineData("550 5.1.1 no such user", "5.1.1", "4.9.9 wait for it", "4.9.9", DeliveryOutcome.Deferred, "wait for it")]
    [InlineData("450 4.1.1 not yet", "4.1.1", "5.9.9 never", "5.9.9", DeliveryOutcome.Bounced, "never")]
    [InlineData("250 2.1.5 Ok", "2.0.0", "2.3.4 gone out", "2.3.4", DeliveryOutcome.Sent, "gone out")]
    [InlineData("250 2.1.5 Ok", "2.0.0", "5.3.4 no", "2.0.0", DeliveryOutcome.Sent, "250 2.0.0 Ok: stored")]
    [InlineData("550 5.1.1 no such user", "5.1.1", "2.0.0 all is well", "5.1.1", DeliveryOutcome.Bounced, "no such user")]
    [InlineData("550 5.1.1 no such user", "5.1.1", "nonsense", "5.1.1", DeliveryOutcome.Bounced, "no such user")]
    [InlineData("550 5.1.1 no such user", "5.1.1", "4.9.9", "4.9.9", DeliveryOutcome.Deferred, "no such user")]
    public async Task The_status_filter_makes_failures_final_or_not_and_never_a_success_of_one(string reply, string key, string value, string status, DeliveryOutcome outcome, string text)
    {
        _tables.AddPattern("status", line => line.StartsWith(key + " ", StringComparison.Ordinal) ? value : null);
        var peer = Peer().On("RCPT TO:", reply);
        var result = await Deliver(Agent(("default_delivery_status_filter", "status")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        var got = Assert.Single(result.Recipients).Status;
        Assert.Equal((status, outcome), (got.Status.ToString(), got.Outcome));
        Assert.Contains(text, got.Reason);
        Assert.Contains(_log.Lines, line => line.Contains($"dsn={status}, ", StringComparison.Ordinal) && line.Contains(text, StringComparison.Ordinal));
        Assert.Equal(status == key, _log.Lines.Any(line => line.Contains($"delivery_status_filter: bad status code: {value}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Keywords_are_overlooked_by_the_servers_address()
    {
        _tables.Add("keywords", ("127.0.0.1", "dsn, size, pipelining")).Add("silent", ("127.0.0.1", "size silent-discard"));
        var peer = Peer();
        await Deliver(Agent(("smtp_discard_ehlo_keyword_address_maps", "keywords"), ("smtp_discard_ehlo_keywords", "8bitmime")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Contains("MAIL FROM:<bob@dest.example>", peer.Commands);
        Assert.Contains("postfix/smtp: discarding EHLO keywords: PIPELINING SIZE DSN", _log.Lines);
        await Deliver(Agent(("smtp_discard_ehlo_keyword_address_maps", "silent")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Single(_log.Lines, line => line.Contains("discarding", StringComparison.Ordinal));
        var result = await Deliver(Agent(("smtp_discard_ehlo_keyword_address_maps", "missing")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(("4.3.0", DeliveryOutcome.Deferred), (status.Status.ToString(), status.Outcome));
        Assert.StartsWith("local data error while talking to 127.0.0.1[127.0.0.1]", status.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("220 ****************", "", 1000, "HELO", "disable_esmtp delay_dotcrlf")]
    [InlineData("220 ****************", "", 0, "HELO", "disable_esmtp")]
    [InlineData("220 ****************", "delay_dotcrlf", 1000, "EHLO", "delay_dotcrlf")]
    [InlineData("220 ****************", "delay_dotcrlf", 0, "EHLO", "")]
    [InlineData("220 **** mail ready", "", 1000, "EHLO", "")]
    public async Task Old_firewalls_are_helped(string greeting, string byTable, int waited, string hello, string words)
    {
        _tables.Add("pix", byTable.Length > 0 ? [("127.0.0.1", byTable)] : []);
        var peer = Peer().On("CONNECT", greeting);
        var result = await Deliver(
            Agent(("smtp_pix_workaround_maps", "pix"), ("smtp_pix_workaround_delay_time", "1s")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"], waited: waited);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Equal("Subject: x\r\n\r\n..dot\r\n...two\r\nx\r\n", Assert.Single(peer.Messages));
        Assert.StartsWith(hello, peer.Commands[1], StringComparison.Ordinal);
        var relay = $"127.0.0.1[127.0.0.1]:{peer.Port}";
        Assert.Equal(words.Length > 0 ? $"postfix/smtp: Q1: enabling PIX workarounds: {words} for {relay}" : null, _log.Lines.FirstOrDefault(line => line.Contains("PIX", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Addresses_go_without_quotes_to_a_server_that_takes_none()
    {
        var peer = Peer();
        await Deliver(Agent(("smtp_quote_rfc821_envelope", "no")), $"[127.0.0.1]:{peer.Port}", ["\"a b\\\"c\"@remote.example"], envelope: new Envelope { Sender = "\"x.\"@dest.example" });
        Assert.Contains("MAIL FROM:<x.@dest.example> SIZE=0", peer.Commands);
        Assert.Contains("RCPT TO:<a b\"c@remote.example> ORCPT=rfc822;\"a+20b\\\"c\"@remote.example", peer.Commands);
    }

    [Fact]
    public async Task Dns_records_that_are_ignored_are_not_there_and_when_none_is_left_mail_waits()
    {
        var peer = Peer();
        _dns.Add("remote.example", "MX 10 bad.example.", "MX 20 good.example.").Add("bad.example", "A 192.0.2.1").Add("good.example", "A 127.0.0.1");
        _tables.AddPattern("some", line => line.EndsWith(" IN MX 10 bad.example.", StringComparison.Ordinal) && line.StartsWith("remote.example. ", StringComparison.Ordinal) ? "ignore" : null);
        _tables.AddPattern("all", line => line.Contains(" IN A ", StringComparison.Ordinal) ? "IGNORE" : null);
        _tables.AddPattern("wrong", _ => "DROP");
        var nexthop = $"remote.example:{peer.Port}";
        var result = await Deliver(Agent(("smtp_dns_reply_filter", "some")), nexthop, ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Matches(@"^postfix/smtp: ignoring DNS RR: remote\.example\. \d+ IN MX 10 bad\.example\.", _log.Lines[0]);
        result = await Deliver(Agent(("smtp_dns_reply_filter", "all")), nexthop, ["a@remote.example"]);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(
            ("4.7.0", "Error looking up name=good.example type=A: DNS reply filter drops all results", DeliveryOutcome.Deferred), (status.Status.ToString(), status.Reason, status.Outcome));
        result = await Deliver(Agent(("smtp_dns_reply_filter", "wrong")), nexthop, ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Deferred, Assert.Single(result.Recipients).Status.Outcome);
        Assert.Contains(_log.Lines, line => line.EndsWith("warning: smtp_dns_reply_filter: unknown DNS filter action: \"DROP\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(5.0, 1000, 500, 180, 7.0)]
    [InlineData(179.5, 1000, 500, 180, 180.0)]
    [InlineData(-3.0, 1000, 500, 180, 0.0)]
    [InlineData(10.0, 0, 500, 180, 10.0)]
    public void With_deadlines_what_flows_gives_content_more_time(double left, long bytes, long rate, double limit, double expected) =>
        Assert.Equal(TimeSpan.FromSeconds(expected), SmtpSession.ContentTimeLeft(TimeSpan.FromSeconds(left), bytes, rate, TimeSpan.FromSeconds(limit)));

    [Fact]
    public async Task Also_with_deadlines_mail_goes_out()
    {
        _content = new MemoryContent("Subject: x\n\n" + string.Concat(Enumerable.Repeat(new string('x', 900) + "\n", 60)));
        var peer = Peer();
        var result = await Deliver(
            Agent(("smtp_per_request_deadline", "yes"), ("smtp_min_data_rate", "1"), ("smtp_data_xfer_timeout", "20s")), $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
    }

    private static readonly Gen<string> Hostile = Gen.Frequency(
        (4, Gen.Int[0, 12].Select(i => "a 5.<>\":=-40%"[i])), (2, Gen.Int[0, 7].Select(i => "\0\t\x1b\x7f\x85\u2028\b\r"[i])), (1, Gen.Char['\x01', '\u02ff'])).Array[0, 20].Select(c => new string(c).Replace("\n", " "));

    /// <summary>Whatever a server says and whatever tables make of it: a result is one line, and so is a line of the log.</summary>
    [Fact]
    public async Task Nothing_a_server_says_adds_a_line()
    {
        _tables.AddPattern("filter", line => line.Contains('5') ? $"{line}\n250 fine\r\n" : null).AddPattern("status", line => line.Contains('a') ? $"{line[..3]}.9 x{line}\ny" : null);
        var plain = Agent(("smtp_header_checks", ""));
        var filtered = Agent(("smtp_reply_filter", "filter"), ("smtp_delivery_status_filter", "status"));
        await Gen.Select(Hostile, Hostile).SampleAsync(
            async (greeting, reply) =>
            {
                await using var peer = new SmtpPeer().On("CONNECT", $"220 {greeting}").On("RCPT TO:", $"550 5.1.1 {reply}");
                foreach (var agent in new[] { plain, filtered })
                {
                    var result = await Deliver(agent, $"[127.0.0.1]:{peer.Port}", ["a@remote.example"]);
                    foreach (var status in result.Recipients.Select(recipient => recipient.Status))
                    {
                        Assert.All((string?[])[status.Reason, status.DiagnosticText, status.RemoteMta, status.Relay], text => Assert.False(text?.Any(char.IsControl) ?? false, text));
                    }
                }
                Assert.All(_log.Lines, line => Assert.DoesNotContain(line, char.IsControl));
            },
            iter: 40, threads: 1);
    }
}
