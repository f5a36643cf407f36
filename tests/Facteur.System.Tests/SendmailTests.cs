using System.Text;
using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>sendmail as the user that runs the instance.</summary>
public sealed class SendmailTests
{
    [Fact]
    public void Sendmail_submits_while_the_system_is_up_and_while_it_is_down()
    {
        using var mail = Instance.Started();
        var user = Environment.UserName;
        Outcome Send(string text, params string[] arguments) => mail.Run("sendmail", Encoding.Latin1.GetBytes(text), arguments);

        Send("To: one@box.test, Two <two@box.test>\nBcc: hidden@box.test\nSubject: tee\n\n.\n..\ntext\n", "-t", "-i", "-f", "from@box.test", "-F", "Fr\"om").Fine();
        foreach (var box in (string[])["one", "two", "hidden"])
        {
            var message = mail.Delivered(box, "Subject: tee");
            Assert.Contains("Return-Path: <from@box.test>\n", message, StringComparison.Ordinal);
            Assert.Contains("from@box.test", message.Split('\n').Single(line => line.StartsWith("From: ", StringComparison.Ordinal)), StringComparison.Ordinal);
            Assert.Contains("Fr\\\"om", message, StringComparison.Ordinal);
            Assert.DoesNotContain("Bcc:", message, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("hidden@", box == "hidden" ? "" : message, StringComparison.Ordinal);
            Assert.EndsWith("\n\n.\n..\ntext\n", message, StringComparison.Ordinal);
        }

        // Without -i a dot ends; without -f the user sends; an address without domain is at $myorigin.
        Send("Subject: dot\n\nseen\n.\nunseen\n", "plain").Fine();
        var dot = mail.Delivered("plain", "Subject: dot");
        Assert.EndsWith("\n\nseen\n", dot, StringComparison.Ordinal);
        Assert.Contains($"Return-Path: <{user}@box.test>\n", dot, StringComparison.Ordinal);

        var wrong = Send("Subject: x\n\n");
        Assert.Equal(75, wrong.Exit);
        Assert.Contains("Recipient addresses must be specified", wrong.Error, StringComparison.Ordinal);
        Assert.Equal(75, Send("Subject: no one\n\n", "-t").Exit);
        Assert.Equal(75, mail.Run("sendmail", "-f").Exit);

        // Down: the file is in maildrop, mailq shows it, the next start takes it.
        mail.Stop();
        Send("Subject: early\n\nearly\n", "-f", "from@box.test", "early@box.test").Fine();
        var waiting = Path.GetFileName(Assert.Single(Directory.EnumerateFiles($"{mail.Spool}/maildrop")));
        var listing = mail.Run("mailq").Fine();
        Assert.Contains($"\n{waiting} ", listing, StringComparison.Ordinal);
        Assert.Contains("  from@box.test\n                                         early@box.test\n\n-- 0 Kbytes in 1 Request.\n", listing, StringComparison.Ordinal);
        Assert.Equal(69, mail.Run("postqueue", "-f").Exit);
        mail.Start();
        mail.Delivered("early", "Subject: early");
        Poll.Until(() => !Directory.EnumerateFiles($"{mail.Spool}/maildrop").Any(), () => mail.Log);
        mail.Verify();
    }

    [Fact]
    public void Local_mail_may_have_a_cleanup_of_its_own()
    {
        using var mail = new Instance();
        File.WriteAllText(mail.MasterCf, File.ReadAllText(mail.MasterCf).Replace("60 1 pickup\n", "60 1 pickup -o cleanup_service_name=strip\n", StringComparison.Ordinal)
            + "strip unix n - n - 0 cleanup -o { header_checks = regexp:{{/^X-Secret/ IGNORE}} }\n");
        mail.Start();
        mail.Run("sendmail", Encoding.Latin1.GetBytes("X-Secret: a\nSubject: inside\n\nx\n"), "-f", "s@box.test", "one@box.test").Fine();
        Client.Send(mail.Smtp, "s@box.test", "two@box.test", "X-Secret: b\nSubject: outside\n\nx\n");
        Assert.DoesNotContain("X-Secret", mail.Delivered("one", "Subject: inside"), StringComparison.Ordinal);
        Assert.Contains("\nX-Secret: b\n", mail.Delivered("two", "Subject: outside"), StringComparison.Ordinal);
        // A name that leads nowhere is said at once, and what runs goes on.
        mail.Set("cleanup_service_name = nowhere");
        mail.Postfix("reload");
        mail.Logged("cleanup_service_name = nowhere: expected the name of a cleanup service in master.cf");
        mail.Set("cleanup_service_name = cleanup\nrewrite_service_name = cleanup");
        mail.Postfix("reload");
        mail.Logged("rewrite_service_name = cleanup: expected the name of a trivial-rewrite service in master.cf");
        mail.Set("rewrite_service_name = rewrite\ntrace_service_name = nowhere");
        mail.Postfix("reload");
        mail.Logged("trace_service_name = nowhere: expected the name of a bounce service in master.cf");
        Client.Send(mail.Smtp, "s@box.test", "two@box.test", "Subject: again\n\nx\n");
        mail.Delivered("two", "Subject: again");
        mail.Verify();
    }

    [Fact]
    public void A_program_talks_SMTP_with_sendmail_while_the_system_is_up_and_while_it_is_down()
    {
        using var mail = Instance.Started("smtpd_client_restrictions = reject\nsmtpd_timeout = 1s");
        Outcome Talk(string dialogue) => mail.Run("sendmail", Encoding.Latin1.GetBytes(dialogue), "-bs");

        // Two messages in one session, all input at once.
        var body = ".\n..\n.hidden\ncaf\u00e9 \u00ff\u0080\u0001\n" + new string('l', 5000) + "\n\n";
        var sent = body.Replace("\n.", "\n..").Insert(0, ".").Replace("\n", "\r\n");
        var talk = Talk(
            $"EHLO me\r\nMAIL FROM:<from@box.test> BODY=8BITMIME\r\nRCPT TO:<one@box.test>\r\nRCPT TO:<two@box.test>\r\nDATA\r\nSubject: talk\r\n\r\n{sent}.\r\n"
            + "MAIL FROM:<from@box.test>\r\nRCPT TO:<plain@box.test>\r\nBDAT 19 LAST\r\nSubject: bdat\n\ntextQUIT\r\n").Fine();
        Assert.StartsWith("220 mail.test ESMTP", talk, StringComparison.Ordinal);
        Assert.Matches("\n354 End data with <CR><LF>\\.<CR><LF>\r\n250 2\\.0\\.0 Ok: queued as [0-9A-F]+\r\n", talk);
        Assert.Matches("\n250 2\\.0\\.0 Ok: [0-9]+ bytes queued as [0-9A-F]+\r\n221 2\\.0\\.0 Bye\r\n$", talk);
        foreach (var box in (string[])["one", "two"])
        {
            var message = mail.Delivered(box, "Subject: talk");
            Assert.Contains("Return-Path: <from@box.test>\n", message, StringComparison.Ordinal);
            Assert.Contains("Received: from me (localhost [127.0.0.1])\n\tby mail.test (", message, StringComparison.Ordinal);
            Assert.Contains($"with ESMTP id {talk.Split("queued as ")[1].Split('\r')[0]};\n", message, StringComparison.Ordinal);
            Assert.EndsWith("\n\n" + body, message, StringComparison.Ordinal);
        }
        Assert.EndsWith("\n\ntext\n", mail.Delivered("plain", "Subject: bdat"), StringComparison.Ordinal);

        // A program that leaves in the middle has sent nothing.
        Assert.EndsWith("\n354 End data with <CR><LF>.<CR><LF>\r\n", Talk("EHLO me\r\nMAIL FROM:<from@box.test>\r\nRCPT TO:<early@box.test>\r\nDATA\r\nSubject: cut\r\n\r\ncut\r\n").Fine(), StringComparison.Ordinal);
        // One that says nothing is not waited for without end.
        var idle = Program.Run("/bin/sh", ["-c", "mkfifo \"$2\"; \"$0\" sendmail -C \"$1\" -bs <\"$2\" & exec 9>\"$2\"; wait $!", Program.Facteur, $"{mail.Top}/etc", $"{mail.Top}/way"]);
        Assert.EndsWith("\n421 4.4.2 mail.test Error: timeout exceeded\r\n", idle.Fine(), StringComparison.Ordinal);

        mail.Stop();
        Assert.Empty(Directory.EnumerateFiles($"{mail.Spool}/maildrop"));
        Talk("HELO me\nMAIL FROM:<from@box.test>\nRCPT TO:<early@box.test>\nDATA\nSubject: early\n\nearly\n.\nQUIT\n").Fine();
        Assert.Single(Directory.EnumerateFiles($"{mail.Spool}/maildrop"));
        mail.Start();
        Assert.Contains("Subject: early\n", mail.Delivered("early", "with SMTP id "), StringComparison.Ordinal);
        Assert.Single(mail.Box("early"));
        mail.Verify();
    }

    /// <summary>A log that goes to standard output has no place in the dialogue, by whatever name.</summary>
    [Theory]
    [InlineData("/dev/stdout")]
    [InlineData("/proc/self/fd/1")]
    public void A_log_on_standard_output_is_not_mixed_with_the_replies_of_SMTP(string log)
    {
        using var mail = new Instance($"maillog_file = {log}\nmaillog_file_prefixes = /dev/stdout, /proc");
        var replies = mail.Run("sendmail", "HELO me\nQUIT\n"u8.ToArray(), "-bs").Fine();
        Assert.Equal("220 250 221 ", string.Concat(replies.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[..4])));
    }

    /// <summary>Nobody reads the replies, and no timer takes the time limit as it is: mail that was taken is taken.</summary>
    [Theory]
    [InlineData("1>&-")]
    [InlineData("1</dev/null")]
    [InlineData("1>/dev/full")]
    public void Replies_that_cannot_be_written_leave_what_was_taken(string output)
    {
        using var mail = new Instance("smtpd_timeout = 10w");
        var talk = "HELO me\nMAIL FROM:<from@box.test>\nRCPT TO:<early@box.test>\nDATA\nSubject: early\n\nearly\n.\nQUIT\n"u8.ToArray();
        Assert.Equal(0, Program.Run("/bin/sh", ["-c", $"\"$0\" sendmail -C \"$1\" -bs {output}", Program.Facteur, $"{mail.Top}/etc"], talk).Exit);
    }

    [Fact]
    public void Closed_standard_input_is_at_its_end()
    {
        using var mail = new Instance("smtpd_timeout = 100s");
        var start = TimeProvider.System.GetTimestamp();
        var talk = Program.Run("/bin/sh", ["-c", "\"$0\" sendmail -C \"$1\" -bs <&-", Program.Facteur, $"{mail.Top}/etc"]).Fine();
        Assert.Matches("^220 [^\n]*\n$", talk);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0, 60);
    }

    [Fact]
    public void Mailq_shows_what_sendmail_left()
    {
        using var mail = Instance.Started("defer_transports = smtp");
        mail.Run("sendmail", "Subject: q\n\n"u8.ToArray(), "-f", "from@box.test", "far@else.test").Fine();
        Poll.Until(() => mail.Run("mailq").Fine().Contains("(deferred transport)", StringComparison.Ordinal), () => mail.Run("mailq").Fine() + mail.Log);
        Assert.Contains("far@else.test", mail.Run("mailq").Fine(), StringComparison.Ordinal);
        mail.Kill();
        var down = mail.Run("mailq");
        Assert.Contains("far@else.test", down.Fine(), StringComparison.Ordinal);
        Assert.Contains("Mail system is down -- accessing queue directly", down.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Before_the_first_start_the_queue_is_what_maildrop_holds()
    {
        using var mail = new Instance();
        Directory.CreateDirectory($"{mail.Spool}/maildrop");
        Assert.Equal("Mail queue is empty\n", mail.Run("mailq").Fine());
        Assert.Equal((0, ""), (mail.Run("postsuper", "-d", "ALL", "deferred").Exit, mail.Run("postqueue", "-j").Fine()));
        mail.Run("sendmail", "Subject: early\n\n"u8.ToArray(), "-f", "from@box.test", "early@box.test").Fine();
        Assert.Contains("early@box.test", mail.Run("mailq").Fine(), StringComparison.Ordinal);
        Assert.Equal(0, mail.Run("postsuper", "-d", "ALL", "maildrop").Exit);
        Assert.Equal("Mail queue is empty\n", mail.Run("mailq").Fine());
    }

    [Fact]
    public void Mail_that_loops_goes_back_to_its_sender()
    {
        using var mail = Instance.Started();
        var hops = string.Concat(Enumerable.Range(0, 60).Select(n => $"Received: by hop{n}.test\n"));
        mail.Run("sendmail", Encoding.Latin1.GetBytes($"{hops}Subject: round\n\nand round\n"), "-f", "from@box.test", "one@box.test").Fine();
        var report = mail.Delivered("from", "Undelivered Mail Returned to Sender");
        Assert.Contains("<one@box.test>: too many hops", report, StringComparison.Ordinal);
        Assert.Contains("Subject: round\n\nand round\n", report, StringComparison.Ordinal);
        Poll.Until(() => !Directory.EnumerateFiles($"{mail.Spool}/maildrop").Any(), () => mail.Log);
        Assert.Empty(Directory.EnumerateFiles($"{mail.Spool}/corrupt"));
        mail.Verify();
    }

    [Fact]
    public void What_goes_wrong_is_one_line_and_mail_stays_with_its_program()
    {
        using var mail = new Instance();
        Directory.CreateDirectory($"{mail.Spool}/maildrop");
        var read = Program.Run("/bin/sh", ["-c", "exec \"$0\" sendmail -C \"$1\" one@box.test </tmp", Program.Facteur, $"{mail.Top}/etc"]);
        Assert.Equal(75, read.Exit);
        Assert.Matches("^sendmail: fatal: [^\n]+\n$", read.Error);
        mail.Set("maillog_file = /nonexistent/log");
        var log = mail.Run("postlog", "text");
        Assert.Equal(1, log.Exit);
        Assert.Matches("^postlog: fatal: maillog_file value '/nonexistent/log' does not match [^\n]+\n$", log.Error);
    }
}
