using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>Delivery reports, as a program of the sender reads them.</summary>
public sealed class ReportTests
{
    [Fact]
    public void Reports_tell_the_sender_what_he_asked_for()
    {
        using var sink = new Sink();
        using var plain = new Sink(dsn: false);
        using var mail = Instance.Started($$"""
            {{sink.Relayhost}}
            transport_maps = inline:{ plain.test=smtp:[127.0.0.1]:{{plain.Number}} }
            notify_classes = resource, software, 2bounce
            2bounce_notice_recipient = postmaster@box.test
            """);

        // A failure.
        var original = "From: <s@box.test>\nMessage-Id: <one@x>\nSubject: fails\n\nthe text\n";
        Client.Send(mail.Smtp, "sender@box.test", "bad.one@else.test good@else.test", original, mail: " ENVID=the+20id", rcpt: " ORCPT=rfc822;asked@else.test NOTIFY=FAILURE");
        var message = mail.Delivered("sender", "Auto-Submitted: auto-replied");
        Assert.Contains("Return-Path: <>\n", message, StringComparison.Ordinal);
        var report = new Report(message);
        Assert.Contains("MAILER-DAEMON", report.Header["from"], StringComparison.Ordinal);
        Assert.Contains("sender@box.test", report.Header["to"], StringComparison.Ordinal);
        Assert.Contains("bad.one@else.test", report.Parts[0].Body, StringComparison.Ordinal);
        Assert.Contains("550 5.1.1 nobody of that name lives here", report.Parts[0].Body.ReplaceLineEndings(" ").Replace("    ", ""), StringComparison.Ordinal);
        Assert.Equal("dns; mail.test", report.Message["reporting-mta"]);
        Assert.Equal("the id", report.Message["original-envelope-id"].Replace("+20", " "));
        Assert.Contains("arrival-date", report.Message.Keys);
        var recipient = Assert.Single(report.Recipients);
        Assert.Equal("rfc822; bad.one@else.test", recipient["final-recipient"]);
        Assert.Equal("rfc822;asked@else.test", recipient["original-recipient"]);
        Assert.Equal("failed", recipient["action"]);
        Assert.Equal("5.1.1", recipient["status"]);
        Assert.Equal("dns; 127.0.0.1", recipient["remote-mta"]);
        Assert.Equal("smtp; 550 5.1.1 nobody of that name lives here", recipient["diagnostic-code"]);
        Assert.StartsWith("message/rfc822", report.AttachedType, StringComparison.Ordinal);
        Assert.Contains("Subject: fails\n", report.Attached, StringComparison.Ordinal);
        Assert.Contains("\n\nthe text\n", report.Attached, StringComparison.Ordinal);
        sink.Received("Subject: fails");

        // RET=HDRS.
        Client.Send(mail.Smtp, "heads@box.test", "bad@else.test", "Subject: heads\n\nsecret text\n", mail: " RET=HDRS");
        report = new Report(mail.Delivered("heads", "Subject: heads"));
        Assert.StartsWith("text/rfc822-headers", report.AttachedType, StringComparison.Ordinal);
        Assert.DoesNotContain("secret text", report.Attached, StringComparison.Ordinal);

        // A success the next hop can't report, since it knows no DSN; where it does, it was told.
        Client.Send(mail.Smtp, "happy@box.test", "good@plain.test", "Subject: happy\n\nx\n", rcpt: " NOTIFY=SUCCESS");
        report = new Report(mail.Delivered("happy", "Subject: happy"));
        Assert.Equal("relayed", Assert.Single(report.Recipients)["action"]);
        Assert.StartsWith("2.", report.Recipients[0]["status"], StringComparison.Ordinal);
        Client.Send(mail.Smtp, "happy@box.test", "told@else.test", "Subject: told\n\nx\n", rcpt: " NOTIFY=SUCCESS,FAILURE");
        sink.Received("Subject: told");
        Assert.Contains(sink.Envelopes, e => e.Contains("<told@", StringComparison.Ordinal) && e.Contains("NOTIFY=SUCCESS,FAILURE", StringComparison.Ordinal));

        // Success at home.
        Client.Send(mail.Smtp, "home@box.test", "anyone@box.test", "Subject: at home\n\nx\n", rcpt: " NOTIFY=SUCCESS");
        Assert.Equal("delivered", Assert.Single(new Report(mail.Delivered("home", "Subject: at home")).Recipients)["action"]);

        // NEVER; what is sent after it is there, so it would be.
        Client.Send(mail.Smtp, "quiet@box.test", "bad@else.test", "Subject: quiet\n\nx\n", rcpt: " NOTIFY=NEVER");
        Client.Send(mail.Smtp, "quiet@box.test", "bad@else.test", "Subject: loud\n\nx\n");
        mail.Delivered("quiet", "Subject: loud");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Single(mail.Box("quiet"));

        // A report that can't be delivered goes to the postmaster, and there the story ends.
        Client.Send(mail.Smtp, "bad.sender@else.test", "bad@else.test", "Subject: twice\n\nx\n");
        report = new Report(mail.Delivered("postmaster", "Subject: twice"));
        Assert.Equal("rfc822; bad.sender@else.test", Assert.Single(report.Recipients)["final-recipient"]);
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Single(mail.Box("postmaster"));
        mail.Verify();
    }

    [Fact]
    public void A_delay_is_reported_and_the_end_of_the_lifetime_too()
    {
        using var sink = new Sink();
        using var mail = Instance.Started($"""
            {sink.Relayhost}
            minimal_backoff_time = 1s
            maximal_backoff_time = 1s
            queue_run_delay = 1s
            delay_warning_time = 1s
            maximal_queue_lifetime = 4s
            """);
        Client.Send(mail.Smtp, "s@box.test", "later@else.test", "Subject: slow\n\nx\n");
        var report = new Report(mail.Delivered("s", "Action: delayed"));
        Assert.Equal("4.2.0", report.Recipients[0]["status"]);
        Assert.Contains("will-retry-until", report.Recipients[0].Keys);
        report = new Report(mail.Delivered("s", "Action: failed"));
        Assert.Equal("smtp; 450 4.2.0 come back later", report.Recipients[0]["diagnostic-code"]);
        mail.Logged("status=expired, returned to sender");
        Assert.Equal(2, mail.Box("s").Count);
    }
}
