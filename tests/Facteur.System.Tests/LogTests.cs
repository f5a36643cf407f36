using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>A log that can't be written costs log lines, never mail.</summary>
public sealed class LogTests
{
    [Fact]
    public void A_full_disk_under_the_log_does_not_stop_mail()
    {
        using var mail = Instance.Started("maillog_file = /dev/full");
        for (var n = 0; n < 20; n++)
        {
            Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "a@box.test", $"Subject: full {n}\n\n"), StringComparison.Ordinal);
        }
        mail.Delivered("a", "Subject: full 19");
        mail.Stop();
    }

    [Fact]
    public void A_pipe_nobody_reads_does_not_stop_mail()
    {
        using var mail = new Instance("smtpd_soft_error_limit = 10000\nsmtpd_hard_error_limit = 10000");
        mail.Set($"maillog_file = {mail.Top}/pipe");
        Assert.Equal(0, Libc.mkfifo($"{mail.Top}/pipe", 0x180));
        mail.Start();
        Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "a@box.test", "Subject: no reader\n\n"), StringComparison.Ordinal);
        mail.Delivered("a", "Subject: no reader");

        // A reader that never reads: the pipe is full after 64 KiB.
        using var reader = new FileStream($"{mail.Top}/pipe", FileMode.Open, FileAccess.ReadWrite);
        using var client = new Client(mail.Smtp);
        client.Expect("250", "EHLO x");
        for (var n = 0; n < 600; n++)
        {
            // Each a line of some 300 characters.
            client.Expect("250", "MAIL FROM:<s@box.test>");
            client.Expect("550", $"RCPT TO:<no{new string('a', 60)}@box.test>");
            client.Expect("250", "RSET");
        }
        Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "a@box.test", "Subject: stuck\n\n"), StringComparison.Ordinal);
        mail.Delivered("a", "Subject: stuck");
        mail.Stop();
    }
}
