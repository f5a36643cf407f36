using System.IO.Compression;
using System.Net.Sockets;
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

    [Fact]
    public void The_lines_of_a_message_stand_in_the_order_in_which_it_went()
    {
        using var mail = Instance.Started();
        Parallel.For(0, 8, session =>
        {
            for (var n = 0; n < 30; n++)
            {
                Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", $"{(char)('a' + session % 2)}@box.test", $"Subject: in order {session} {n}\n\n"), StringComparison.Ordinal);
            }
        });
        Poll.Until(() => mail.Log.Split(": removed\n").Length > 8 * 30, () => mail.Log);
        foreach (var id in mail.Log.Split('\n').Where(line => line.EndsWith(": removed", StringComparison.Ordinal)).Select(line => line.Split(' ')[^2]))
        {
            var lines = mail.Log.Split('\n').Where(line => line.Contains($" {id} ", StringComparison.Ordinal)).ToList();
            Assert.Equal(["client=", "message-id=", "from=<", "to=<", "removed"], lines.Select(line => line[(line.IndexOf(id, StringComparison.Ordinal) + id.Length + 1)..]).Select(text =>
                text.StartsWith("from=<", StringComparison.Ordinal) ? "from=<" : text.StartsWith("to=<", StringComparison.Ordinal) ? "to=<" : text.Contains('=') ? text[..(text.IndexOf('=') + 1)] : text));
        }
    }

    [Fact]
    public void Commands_and_others_log_through_postlogd()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var mail = Instance.Started();
        // It keeps the file that it has: who writes there is postlogd.
        File.Move(mail.LogFile, $"{mail.LogFile}.1");
        mail.Run("postlog", "-t", "mine", "-p", "warn", "said by a command").Fine();
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified))
        {
            socket.Connect(new UnixDomainSocketEndPoint($"{mail.Spool}/public/postlog"));
            socket.Send("Nov 02 10:00:00 host other[1]: \x1b[31mtwo\0\r\nlines"u8);
        }
        Poll.Until(() => File.ReadAllText($"{mail.LogFile}.1") is var log && log.Contains(": warning: said by a command\n", StringComparison.Ordinal) && log.Contains("Nov 02 10:00:00 host other[1]: ?[31mtwo??\nlines\n", StringComparison.Ordinal), () => File.ReadAllText($"{mail.LogFile}.1"));
        Assert.False(File.Exists(mail.LogFile));
        mail.Stop();
        // Nobody is there any more: the command writes itself.
        mail.Run("postlog", "-t", "mine", "alone").Fine();
        Assert.Matches("mine\\[[0-9]+\\]: alone\n$", File.ReadAllText(mail.LogFile));
    }

    [Fact]
    public void Rotation_loses_no_line_also_with_a_mistake_in_the_configuration()
    {
        using var mail = Instance.Started("maillog_file_rotate_suffix = old\nmaillog_file_permissions = 0640");
        Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "a@box.test", "Subject: before\n\n"), StringComparison.Ordinal);
        mail.Logged("removed");
        File.AppendAllText(mail.MasterCf, "# a comment that stays\n");
        mail.Postfix("logrotate").Fine();
        Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "a@box.test", "Subject: after\n\n"), StringComparison.Ordinal);
        mail.Logged("removed");
        Assert.Equal(0, UnixFile.Status(mail.LogFile, followLinks: false, out var status));
        Assert.Equal(0x1A0u, status.Mode & 0xFFF);
        Assert.DoesNotContain("daemon started", mail.Log, StringComparison.Ordinal);
        using (var gzip = new GZipStream(File.OpenRead($"{mail.LogFile}.old.gz"), CompressionMode.Decompress))
        {
            var old = new StreamReader(gzip).ReadToEnd();
            Assert.Contains("daemon started", old, StringComparison.Ordinal);
            Assert.Contains("removed", old, StringComparison.Ordinal);
        }

        // logrotate(8) renames and sends the signal itself; meanwhile an administrator is in the middle of an edit.
        File.Move(mail.LogFile, $"{mail.LogFile}.1");
        mail.Set("smtpd_recipient_limit = many");
        Assert.Equal(0, Libc.kill(mail.Pid, Libc.SIGHUP));
        mail.Logged("reload: ");
        Assert.DoesNotContain("many", File.ReadAllText($"{mail.LogFile}.1"), StringComparison.Ordinal);
        mail.Set("smtpd_recipient_limit = 1000");
        mail.Stop();
    }
}
