using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Report.Bounce;
using Facteur.Spool;
using Facteur.Testing;

namespace Facteur.Services.Tests.Report.Bounce;

public sealed class BounceServiceTests : IDisposable
{
    private const string Message = "Received: from c.example\n\tby mx.dest.example; Tue, 1 Sep 2026\nSubject: hello\nMessage-Id: <m1@dest.example>\n\nbody text\n";
    private static readonly DeliveryStatus NoHost = DeliveryStatus.Bounced(4, 4, "Host or domain name not found. Name service error for name=nosuchdom.invalid type=A: Host not found");
    private readonly RecordingResubmit _resubmit = new();
    private readonly TestLog _log = new();
    private MemoryContents _contents = new(Message);

    public void Dispose() => _contents.Dispose();

    [Fact]
    public async Task A_failure_report_is_Postfixs_but_for_the_introduction()
    {
        var result = await Report(ReportKind.Failure, "dave@dest.example", [new("x@nosuchdom.invalid", "x@nosuchdom.invalid")], NoHost);
        Assert.Equal(ReportResult.Sent, result);
        var (envelope, text) = Assert.Single(_resubmit.Sent);
        Assert.Equal("", envelope.Sender);
        Assert.Equal(MessageOrigin.Bounce, envelope.Origin);
        Assert.Equal(("dave@dest.example", DsnNotify.None), (envelope.Recipients[0].Address, envelope.Recipients[0].Notify));
        Assert.Equal((7UL, 0), (envelope.Closes!.MessageId, Assert.Single(envelope.Closes.Recipients)));
        var intro = text.IndexOf("Mail system at", StringComparison.Ordinal);
        var afterIntro = text.IndexOf("\n<x@nosuchdom", StringComparison.Ordinal);
        Assert.Equal(
            """
            Date: Tue, 1 Sep 2026 10:00:05 +0000
            From: Mail Delivery System <MAILER-DAEMON>
            Subject: Undelivered Mail Returned to Sender
            To: dave@dest.example
            Auto-Submitted: auto-replied
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
            	boundary="4QABC1.1788256805/mx.dest.example"
            Content-Transfer-Encoding: 8bit

            This is a MIME-encapsulated message.

            --4QABC1.1788256805/mx.dest.example
            Content-Description: Notification
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: 8bit


            <x@nosuchdom.invalid>: Host or domain name not found. Name service error for
                name=nosuchdom.invalid type=A: Host not found

            --4QABC1.1788256805/mx.dest.example
            Content-Description: Delivery report
            Content-Type: message/delivery-status

            Reporting-MTA: dns; mx.dest.example
            X-Postfix-Queue-ID: 4QABC1
            X-Postfix-Sender: rfc822; dave@dest.example
            Arrival-Date: Tue, 1 Sep 2026 10:00:00 +0000

            Final-Recipient: rfc822; x@nosuchdom.invalid
            Original-Recipient: rfc822;x@nosuchdom.invalid
            Action: failed
            Status: 5.4.4
            Diagnostic-Code: X-Postfix; Host or domain name not found. Name service error
                for name=nosuchdom.invalid type=A: Host not found

            --4QABC1.1788256805/mx.dest.example
            Content-Description: Undelivered Message
            Content-Type: message/rfc822
            Content-Transfer-Encoding: 8bit

            Return-Path: <dave@dest.example>

            """ + Message + "\n--4QABC1.1788256805/mx.dest.example--\n", text[..intro] + text[afterIntro..]);
        Assert.Contains("Mail system at mx.dest.example: your message", text, StringComparison.Ordinal);
        Assert.Equal(["postfix/bounce: 4QABC1: sender non-delivery notification: R1"], _log.Lines);
    }

    [Fact]
    public async Task A_peers_words_become_remote_mta_and_diagnostic_code()
    {
        var status = DeliveryStatus.Bounced(1, 1, "host mx2.remote.example[127.0.10.2] said: 550-5.1.1 no such 550 5.1.1 user here (in reply to RCPT TO command)")
            with
        { DiagnosticType = "smtp", DiagnosticText = "550-5.1.1 no such 550 5.1.1 user here", RemoteMtaType = "dns", RemoteMta = "mx2.remote.example" };
        await Report(ReportKind.Failure, "bob@dest.example", [new("bad@remote.example", "list@dest.example", "rfc822;List@dest.example")], status);
        Assert.Contains(
            """
            <bad@remote.example> (expanded from <list@dest.example>): host
                mx2.remote.example[127.0.10.2] said: 550-5.1.1 no such 550 5.1.1 user here
                (in reply to RCPT TO command)

            """, _resubmit.Sent[0].Text, StringComparison.Ordinal);
        Assert.Contains(
            """
            Final-Recipient: rfc822; bad@remote.example
            Original-Recipient: rfc822;List@dest.example
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; mx2.remote.example
            Diagnostic-Code: smtp; 550-5.1.1 no such 550 5.1.1 user here

            """, _resubmit.Sent[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Notify_decides_for_the_sender_and_not_for_the_postmaster()
    {
        await Report(ReportKind.Failure, "carol@dest.example", [new("x@a.example", Notify: DsnNotify.Failure), new("y@a.example", Notify: DsnNotify.Never)], NoHost,
            r => r.Return = DsnReturn.Headers, ("notify_classes", "bounce"), ("bounce_notice_recipient", "owner"));
        Assert.Equal(2, _resubmit.Sent.Count);
        Assert.DoesNotContain("y@a.example", _resubmit.Sent[0].Text, StringComparison.Ordinal);
        Assert.Equal([0, 1], _resubmit.Sent[0].Envelope.Closes!.Recipients);
        var (envelope, copy) = _resubmit.Sent[1];
        Assert.Equal(("double-bounce@mx.dest.example", "owner"), (envelope.Sender, envelope.Recipients[0].Address));
        Assert.Null(envelope.Closes);
        Assert.Contains("Content-Transfer-Encoding: 8bit\n\n\n<x@a.example>: ", copy, StringComparison.Ordinal);
        Assert.Contains("\n\n<y@a.example>: ", copy, StringComparison.Ordinal);
        Assert.Contains("Subject: Postmaster Copy: Undelivered Mail\nTo: owner\nAuto-Submitted: auto-generated\n", copy, StringComparison.Ordinal);
        Assert.Contains("Content-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n", copy, StringComparison.Ordinal);
        Assert.EndsWith("Message-Id: <m1@dest.example>\n\n--4QABC1.1788256805/mx.dest.example--\n", copy, StringComparison.Ordinal);
        Assert.Equal("postfix/bounce: 4QABC1: postmaster non-delivery notification: R2", _log.Lines[1]);
    }

    [Fact]
    public async Task Nobody_to_tell_is_discarded()
    {
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Failure, "a@b.example", [new("y@a.example", Notify: DsnNotify.Never)], NoHost));
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Success, "a@b.example", [new("y@a.example", Notify: DsnNotify.Failure)], DeliveryStatus.Sent("ok")));
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Failure, "", [new("y@a.example")], NoHost));
        Assert.Empty(_resubmit.Sent);
        Assert.Empty(_log.Lines);
    }

    [Theory]
    [InlineData("2bounce")]
    [InlineData("bounce")]
    public async Task The_null_senders_failure_goes_to_the_postmaster(string classes)
    {
        Assert.Equal(ReportResult.Sent, await Report(ReportKind.Failure, "", [new("x@a.example", Notify: DsnNotify.Never)], NoHost, null, ("notify_classes", classes)));
        var (envelope, text) = Assert.Single(_resubmit.Sent);
        Assert.Equal(("double-bounce@mx.dest.example", "postmaster"), (envelope.Sender, envelope.Recipients[0].Address));
        Assert.NotNull(envelope.Closes);
        Assert.Contains("X-Postfix-Sender: rfc822; MAILER-DAEMON@mx.dest.example\n", text, StringComparison.Ordinal);
        Assert.Contains("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nReturn-Path: <MAILER-DAEMON@mx.dest.example>\nReceived:", text, StringComparison.Ordinal);
        Assert.Equal(["postfix/bounce: 4QABC1: postmaster non-delivery notification: R1"], _log.Lines);
    }

    [Fact]
    public async Task Double_bounces_end_here()
    {
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Failure, "Double-Bounce@mx.dest.example", [new("x@a.example")], NoHost, null, ("notify_classes", "2bounce")));
        Assert.Empty(_resubmit.Sent);
        Assert.Equal(["postfix/bounce: warning: 4QABC1: undeliverable postmaster notification discarded"], _log.Lines);
    }

    [Fact]
    public async Task A_delay_report_says_until_when()
    {
        await Report(ReportKind.Delay, "bob@dest.example", [new("x@a.example")], DeliveryStatus.Deferred(4, 1, "connect to a.example[192.0.2.1]:25: Connection refused"),
            null, ("notify_classes", "delay"), ("delay_warning_time", "4h"));
        var text = _resubmit.Sent[0].Text;
        Assert.Contains("Subject: Delayed Mail (still being retried)\n", text, StringComparison.Ordinal);
        Assert.Contains("For more than 4 hour(s)", text, StringComparison.Ordinal);
        Assert.Contains("5 day(s) old", text, StringComparison.Ordinal);
        Assert.Contains("Action: delayed\nStatus: 4.4.1\n", text, StringComparison.Ordinal);
        Assert.Contains("Will-Retry-Until: Sun, 6 Sep 2026 10:00:00 +0000\n", text, StringComparison.Ordinal);
        Assert.Contains("Content-Description: Undelivered Message Headers\n", text, StringComparison.Ordinal);
        Assert.Null(_resubmit.Sent[0].Envelope.Closes);
        Assert.Equal(["postfix/bounce: 4QABC1: sender delay notification: R1", "postfix/bounce: 4QABC1: postmaster delay notification: R2"], _log.Lines);
    }

    [Fact]
    public async Task A_success_report_names_the_relay()
    {
        await Report(ReportKind.Success, "carol@dest.example", [new("alice@dest.example", "", "rfc822;Alice@orig.example", DsnNotify.Success | DsnNotify.Failure)],
            DeliveryStatus.Sent("delivered to mailbox") with { Relay = "local" }, e => e.EnvelopeId = "QQ314159");
        var text = _resubmit.Sent[0].Text;
        Assert.Contains("Subject: Successful Mail Delivery Report\n", text, StringComparison.Ordinal);
        Assert.Contains("\n<alice@dest.example>: delivery via local: delivered to mailbox\n", text, StringComparison.Ordinal);
        Assert.Contains("Reporting-MTA: dns; mx.dest.example\nOriginal-Envelope-Id: QQ314159\nX-Postfix-Queue-ID", text, StringComparison.Ordinal);
        Assert.Contains("Original-Recipient: rfc822;Alice@orig.example\nAction: delivered\nStatus: 2.0.0\nDiagnostic-Code: X-Postfix; delivery via local: delivered to mailbox\n", text, StringComparison.Ordinal);
        Assert.Contains("Content-Description: Message Headers\nContent-Type: text/rfc822-headers\n", text, StringComparison.Ordinal);
        Assert.Equal(["postfix/bounce: 4QABC1: sender delivery status notification: R1"], _log.Lines);
    }

    // A next hop "discard:2.4.4" gives a code and no text.
    [Fact]
    public async Task A_result_without_a_text_says_so()
    {
        await Report(ReportKind.Success, "carol@dest.example", [new("alice@dest.example", Notify: DsnNotify.Success)], DeliveryStatus.Sent(""));
        Assert.Contains("\n<alice@dest.example>: (description unavailable)\n", _resubmit.Sent[0].Text, StringComparison.Ordinal);
        Assert.Contains("\nDiagnostic-Code: X-Postfix; (description unavailable)\n", _resubmit.Sent[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Smtputf8_mail_gets_the_forms_of_rfc_6533()
    {
        await Report(ReportKind.Failure, "bob@dest.example", [new("møns@a.example"), new("b@a.example")], NoHost, e => e.Flags = MessageFlags.SmtpUtf8, ("mail_name", "Facteur"));
        var (envelope, text) = _resubmit.Sent[0];
        Assert.True((envelope.Flags & MessageFlags.SmtpUtf8) != 0);
        Assert.Contains("Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\n", text, StringComparison.Ordinal);
        Assert.Contains("X-Facteur-Sender: rfc822; bob@dest.example\n", text, StringComparison.Ordinal);
        Assert.Contains("Final-Recipient: utf-8; møns@a.example\n", text, StringComparison.Ordinal);
        Assert.Contains("Final-Recipient: rfc822; b@a.example\n", text, StringComparison.Ordinal);
        Assert.Contains("Content-Type: message/global\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resource", 0)]
    [InlineData("2bounce", 1)]
    public async Task Success_that_the_null_sender_asked_for_is_told_to_the_postmaster(string classes, int count)
    {
        await Report(ReportKind.Success, "", [new("x@a.example", Notify: DsnNotify.Success), new("y@a.example", Notify: DsnNotify.Failure)], DeliveryStatus.Sent("ok"), null,
            ("notify_classes", classes), ("2bounce_notice_recipient", "dave"));
        Assert.Equal(count, _resubmit.Sent.Count);
        foreach (var (envelope, text) in _resubmit.Sent)
        {
            Assert.Equal(("double-bounce@mx.dest.example", "dave"), (envelope.Sender, Assert.Single(envelope.Recipients).Address));
            Assert.Contains("Subject: Successful Mail Delivery Report\n", text, StringComparison.Ordinal);
            Assert.DoesNotContain("y@a.example", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_header_larger_than_the_limit_is_returned_whole()
    {
        _contents = new MemoryContents("Subject: large\n" + string.Concat(Enumerable.Repeat("X-More: header\n", 100)) + "X-Last: header\n\nbody\n", 4096);
        await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost, null, ("bounce_size_limit", "200"));
        Assert.EndsWith("X-More: header\nX-Last: header\n\n--4QABC1.1788256805/mx.dest.example--\n", _resubmit.Sent[0].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a@sender.example", "a@sender.example")]
    [InlineData("", "MAILER-DAEMON@mx.dest.example")]
    [InlineData("double-bounce@mx.dest.example", "double-bounce@mx.dest.example")]
    public async Task The_owner_of_a_list_is_told_in_the_senders_place(string sender, string shown)
    {
        var envelope = new Envelope { Sender = sender, Recipients = [new EnvelopeRecipient("team@dest.example")] };
        var service = new BounceService(new TestConfig([]), _resubmit, _contents, new ServiceLog(_log, "postfix/bounce"), new FixedClock());
        await service.ReportAsync(
            new ReportRequest(ReportKind.Failure, 7, "4QABC1", envelope, _contents.Layout, [new RecipientResult(0, NoHost)], Closes: false) { Owner = "owner-team@dest.example" },
            TestContext.Current.CancellationToken);
        var (sent, text) = Assert.Single(_resubmit.Sent);
        Assert.Equal(("", "owner-team@dest.example"), (sent.Sender, Assert.Single(sent.Recipients).Address));
        Assert.Contains("To: owner-team@dest.example\n", text, StringComparison.Ordinal);
        Assert.Contains($"-Sender: rfc822; {shown}\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Original-Recipient:", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_message_returns_headers_and_no_more_than_the_limit_is_read()
    {
        _contents = new MemoryContents("Subject: large\n\n" + string.Concat(Enumerable.Repeat("line of the body\n", 20_000)), 4096);
        await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost, null, ("bounce_size_limit", "50000"));
        Assert.EndsWith("Return-Path: <bob@dest.example>\nSubject: large\n\n--4QABC1.1788256805/mx.dest.example--\n", _resubmit.Sent[0].Text, StringComparison.Ordinal);
        Assert.True(_contents.BytesRead <= 50_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(65536)]
    public async Task Threads_and_headers_do_not_depend_on_how_content_is_cut(int extent)
    {
        _contents = new MemoryContents(Message, extent);
        await Report(ReportKind.Success, "bob@dest.example", [new("x@a.example", Notify: DsnNotify.Success)], DeliveryStatus.Sent("ok"), null, ("enable_threaded_bounces", "yes"));
        var text = _resubmit.Sent[0].Text;
        Assert.Contains("References: <m1@dest.example>\nIn-Reply-To: <m1@dest.example>\nAuto-Submitted: auto-replied\nMIME-Version", text, StringComparison.Ordinal);
        Assert.EndsWith("Return-Path: <bob@dest.example>\n" + Message[..(Message.IndexOf("\n\n", StringComparison.Ordinal) + 1)] + "\n--4QABC1.1788256805/mx.dest.example--\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ContentRead.Damaged, ReportResult.Sent)]
    [InlineData(ContentRead.Moved, ReportResult.TryAgain)]
    [InlineData(ContentRead.Failed, ReportResult.TryAgain)]
    public async Task Content_that_cannot_be_read(ContentRead failure, ReportResult expected)
    {
        _contents = new MemoryContents(Message, 40) { FailAt = 1, Failure = failure };
        Assert.Equal(expected, await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost));
        Assert.Equal(expected == ReportResult.Sent ? 1 : 0, _resubmit.Sent.Count);
    }

    [Theory]
    [InlineData("resource, software", "dave@dest.example", true)]
    [InlineData("Resource", "", true)]
    [InlineData("bounce, 2bounce, delay, software", "dave@dest.example", false)]
    [InlineData("resource", "double-bounce@mx.dest.example", false)]
    public async Task Damaged_content_is_told_to_the_postmaster_alone(string classes, string sender, bool told)
    {
        _contents = new MemoryContents(Message, 40) { FailAt = 1, Failure = ContentRead.Damaged };
        var damaged = DeliveryStatus.Bounced(3, 0, "message content is damaged on disk");
        var result = await Report(
            ReportKind.Damage, sender, [new("x@a.example", Notify: DsnNotify.Never)], damaged, null, ("notify_classes", classes), ("error_notice_recipient", "admin"));
        Assert.Equal(told ? ReportResult.Sent : ReportResult.Discarded, result);
        Assert.Equal(told ? 1 : 0, _resubmit.Sent.Count);
        if (told)
        {
            var (envelope, text) = _resubmit.Sent[0];
            Assert.Equal(("double-bounce@mx.dest.example", "admin", null), (envelope.Sender, envelope.Recipients[0].Address, envelope.Closes));
            Assert.Contains("Subject: Postmaster Copy: Undelivered Mail\nTo: admin\n", text, StringComparison.Ordinal);
            Assert.Contains("<x@a.example>: message content is damaged on disk\n", text, StringComparison.Ordinal);
            Assert.DoesNotContain("body text", text, StringComparison.Ordinal);
            Assert.Contains("postfix/bounce: 4QABC1: postmaster non-delivery notification: R1", _log.Lines);
        }
    }

    [Fact]
    public async Task A_report_that_is_too_large_returns_headers_alone()
    {
        _contents = new MemoryContents(Message + new string('x', 20_000) + "\n");
        _resubmit.SizeLimit = 10_000;
        Assert.Equal(ReportResult.Sent, await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost));
        var (envelope, text) = Assert.Single(_resubmit.Sent);
        Assert.NotNull(envelope.Closes);
        Assert.Contains("Content-Type: text/rfc822-headers\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("xxxx", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CleanupStatus.TooLarge, "message file too big")]
    [InlineData(CleanupStatus.TooManyHops, "too many hops")]
    [InlineData(CleanupStatus.Rejected, "message content rejected")]
    [InlineData(CleanupStatus.NoRecipients, "no recipients")]
    public async Task A_report_refused_for_good_is_discarded_with_a_warning(CleanupStatus status, string reason)
    {
        _resubmit.Answer = status;
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost));
        Assert.Equal([$"postfix/bounce: warning: 4QABC1: sender non-delivery notification to <bob@dest.example> refused for good ({reason}): discarded"], _log.Lines);
        Assert.Equal(ReportResult.Discarded, await Report(ReportKind.Failure, "", [new("x@a.example")], NoHost, null, ("notify_classes", "2bounce")));
        Assert.Equal($"postfix/bounce: warning: 4QABC1: postmaster non-delivery notification to <postmaster> refused for good ({reason}): discarded", _log.Lines[^1]);
    }

    [Theory]
    [InlineData(CleanupStatus.WriteError, "queue file write error")]
    [InlineData(CleanupStatus.NoSpace, "insufficient system storage")]
    [InlineData(CleanupStatus.TryAgain, "what it needs is not there")]
    public async Task A_report_that_can_not_be_taken_now_is_tried_again(CleanupStatus status, string reason)
    {
        _resubmit.Answer = status;
        Assert.Equal(ReportResult.TryAgain, await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost));
        Assert.Equal([$"postfix/bounce: warning: 4QABC1: non-delivery notification to <bob@dest.example> can't be made now ({reason}): tried again with the message"], _log.Lines);
    }

    [Theory]
    [InlineData("no", "us-ascii")]
    [InlineData("yes", "utf-8")]
    public async Task A_template_file_replaces_what_it_names(string utf8, string charset)
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, "# ours\n\nfailure_template = <<END\nCharset: us-ascii\nFrom: MAILER-DAEMON (Post Office)\nSubject: Not delivered\n\nCost: $$5 at ${myhostname} for $no_such_thing, $maximal_queue_lifetime_hours h\nEND\n");
        await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost, null, ("bounce_template_file", path), ("smtputf8_enable", utf8));
        File.Delete(path);
        var text = _resubmit.Sent[0].Text;
        Assert.Contains("From: MAILER-DAEMON (Post Office)\nSubject: Not delivered\n", text, StringComparison.Ordinal);
        Assert.Contains($"charset={charset}\nContent-Transfer-Encoding: 8bit\n\nCost: $5 at mx.dest.example for , 120 h\n\n<x@a.example>", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_template_file_is_named_with_its_line_and_not_used()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, "failure_template = <<END\nSubject: x\nTo: y\n\nText\nEND\n");
        await Report(ReportKind.Failure, "bob@dest.example", [new("x@a.example")], NoHost, null, ("bounce_template_file", path));
        File.Delete(path);
        Assert.StartsWith($"postfix/bounce: warning: bounce_template_file {path}, line 3: unknown header \"To: y\"", _log.Lines[0], StringComparison.Ordinal);
        Assert.Contains("Subject: Undelivered Mail Returned to Sender\n", _resubmit.Sent[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_verp_each_failed_recipient_has_a_report_to_its_own_sender()
    {
        EnvelopeRecipient[] recipients = [new("x@a.example", "list@given.example"), new("y@b.example"), new("z@c.example", Notify: DsnNotify.Never)];
        Assert.Equal(ReportResult.Sent, await Report(ReportKind.Failure, "bob@dest.example", recipients, NoHost, e => e.Verp = "+="));
        Assert.Equal(["bob+list=given.example@dest.example", "bob+y=b.example@dest.example"], _resubmit.Sent.Select(sent => sent.Envelope.Recipients.Single().Address));
        Assert.Equal([[0], [1]], _resubmit.Sent.Select(sent => sent.Envelope.Closes!.Recipients));
        Assert.DoesNotContain("y@b.example", _resubmit.Sent[0].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ReportKind.Failure, "yes")]
    [InlineData(ReportKind.Delay, "no")]
    public async Task Without_verp_bounces_one_report_goes_to_the_plain_sender(ReportKind kind, string disabled)
    {
        await Report(kind, "bob@dest.example", [new("x@a.example"), new("y@b.example")], NoHost, e => e.Verp = "+=", ("disable_verp_bounces", disabled));
        Assert.Equal("bob@dest.example", Assert.Single(_resubmit.Sent).Envelope.Recipients.Single().Address);
    }

    private async Task<ReportResult> Report(
        ReportKind kind, string sender, EnvelopeRecipient[] recipients, DeliveryStatus status, Action<Envelope>? change = null, params (string, string)[] config)
    {
        var envelope = new Envelope { Sender = sender, ArrivalMicros = 1_788_256_800_000_000, Recipients = recipients };
        change?.Invoke(envelope);
        var service = new BounceService(new TestConfig(config), _resubmit, _contents, new ServiceLog(_log, "postfix/bounce"), new FixedClock());
        return await service.ReportAsync(
            new ReportRequest(kind, 7, "4QABC1", envelope, _contents.Layout, [.. recipients.Select((_, i) => new RecipientResult(i, status))], Closes: kind != ReportKind.Delay),
            TestContext.Current.CancellationToken);
    }
}
