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
        Assert.Single(Directory.EnumerateFiles($"{mail.Spool}/maildrop"));
        Assert.Equal(69, mail.Run("postqueue", "-f").Exit);
        mail.Start();
        mail.Delivered("early", "Subject: early");
        Poll.Until(() => !Directory.EnumerateFiles($"{mail.Spool}/maildrop").Any(), () => mail.Log);
        mail.Verify();
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
