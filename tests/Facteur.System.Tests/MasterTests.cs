using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>postfix start, stop, status, check, reload and what a mistake in the configuration does.</summary>
public sealed class MasterTests
{
    [Fact]
    public void Postfix_starts_reloads_and_stops()
    {
        using var mail = new Instance();
        Assert.Equal(1, mail.Postfix("status").Exit);
        Assert.Equal(1, mail.Postfix("stop").Exit);
        Assert.Equal(1, mail.Postfix("reload").Exit);
        Assert.Equal(0, mail.Postfix("check").Exit);
        Assert.Equal(1, mail.Postfix("dance").Exit);
        mail.Start();
        var status = mail.Postfix("status");
        Assert.Equal(0, status.Exit);
        Assert.Contains($"PID: {mail.Pid}", status.Error, StringComparison.Ordinal);
        var pid = mail.Pid;
        var again = mail.Postfix("start");
        Assert.Equal(1, again.Exit);
        Assert.Contains("already running", again.Error, StringComparison.Ordinal);
        var foreground = mail.Postfix("start-fg");
        Assert.Equal(1, foreground.Exit);

        // New sessions are other sessions; an old one stays as it was.
        Assert.Equal("smtpd_banner = $myhostname ESMTP $mail_name\n", mail.Run("postconf", "smtpd_banner").Fine());
        using (var old = new Client(mail.Smtp))
        {
            mail.Run("postconf", "-e", "smtpd_banner = $myhostname ESMTP changed", "smtpd_recipient_limit = 1").Fine();
            Assert.Contains("smtpd_banner = $myhostname ESMTP changed\n", mail.Run("postconf", "-n").Fine(), StringComparison.Ordinal);
            mail.Reload();
            old.Expect("250", "EHLO old.test");
            Assert.StartsWith("250", old.Mail("s@box.test", "a@box.test b@box.test", "Subject: old\n\n"), StringComparison.Ordinal);
        }
        using (var fresh = new Client(mail.Smtp))
        {
            Assert.Equal("220 mail.test ESMTP changed", fresh.Greeting);
            fresh.Expect("250", "EHLO new.test");
            Assert.StartsWith("452 4.5.3", fresh.Mail("s@box.test", "a@box.test b@box.test", "Subject: new\n\n"), StringComparison.Ordinal);
        }

        // A mistake names file and line and changes nothing.
        var good = File.ReadAllText(mail.MainCf);
        var line = good.Split('\n').Length;
        File.AppendAllText(mail.MainCf, "message_size_limit = much\n");
        var reload = mail.Postfix("reload");
        Assert.Equal(1, reload.Exit);
        Assert.Contains("message_size_limit", reload.Error, StringComparison.Ordinal);
        Assert.Contains($"{mail.MainCf}, line {line}", reload.Error, StringComparison.Ordinal);
        Assert.Contains($"line {line}", mail.Postfix("check").Error, StringComparison.Ordinal);
        _ = Facteur.Unix.Libc.kill(mail.Pid, Facteur.Unix.Libc.SIGHUP);
        mail.Logged("error: reload: ");
        Works("after a mistake in main.cf");
        File.WriteAllText(mail.MainCf, good);

        var master = File.ReadAllText(mail.MasterCf);
        File.AppendAllText(mail.MasterCf, "nonsense here\n");
        Assert.Equal(1, mail.Postfix("reload").Exit);
        Assert.Contains($"{mail.MasterCf}", mail.Postfix("reload").Error, StringComparison.Ordinal);
        // An address that is not ours.
        File.WriteAllText(mail.MasterCf, "192.0.2.1:25 inet n - n - - smtpd\n" + master);
        _ = mail.Postfix("reload");
        mail.Logged("192.0.2.1 port 25");
        Works("after an address that is not ours");
        File.WriteAllText(mail.MasterCf, master);
        // A table that is not there fails lookups, not the system.
        mail.Set("canonical_maps = hash:/nonexistent/table");
        mail.Reload();
        mail.Logged("/nonexistent/table");
        File.WriteAllText(mail.MainCf, good);
        mail.Reload();
        Works("at the end");
        Assert.Contains($"PID: {pid}", mail.Postfix("status").Error, StringComparison.Ordinal);
        mail.Stop();
        Assert.Equal(0, mail.Pid);
        Assert.Equal(1, mail.Postfix("status").Exit);
        mail.Verify();

        void Works(string subject)
        {
            Assert.StartsWith("250 2.0.0", Client.Send(mail.Smtp, "s@box.test", "works@box.test", $"Subject: {subject}\n\n"), StringComparison.Ordinal);
            mail.Delivered("works", $"Subject: {subject}\n");
        }
    }

    [Fact]
    public void What_a_start_makes_does_not_depend_on_the_umask()
    {
        using var mail = new Instance();
        var start = Program.Run("/bin/sh", ["-c", $"umask 077; exec {Program.Facteur} postfix -c {mail.Top}/etc start"]);
        Assert.True(start.Exit == 0, start.Error + mail.Log);
        foreach (var (name, mode) in new[] { ("/public", 0x1EDU), ("/maildrop", 0x1D8U), ("/private", 0x1C0U) })
        {
            Assert.Equal(0, Facteur.Unix.UnixFile.Status(mail.Spool + name, followLinks: false, out var status));
            Assert.Equal(mode, status.Mode & 0xFFF);
        }
        mail.Stop();
    }

    [Fact]
    public void A_start_that_fails_says_why()
    {
        using var mail = new Instance();
        using var other = new global::System.Net.Sockets.TcpListener(global::System.Net.IPAddress.Loopback, mail.Smtp);
        other.Start();
        var start = mail.Postfix("start");
        Assert.Equal(1, start.Exit);
        Assert.Contains($"port {mail.Smtp}", start.Error, StringComparison.Ordinal);
        Assert.Contains("line 1", start.Error, StringComparison.Ordinal);
        other.Stop();
        mail.Set("virtual_mailbox_limit = 12 apples");
        start = mail.Postfix("start");
        Assert.Equal(1, start.Exit);
        Assert.Contains(mail.MainCf, start.Error, StringComparison.Ordinal);
        Assert.Equal(0, mail.Pid);
    }

    [Fact]
    public void The_mail_system_keeps_nothing_of_its_starter()
    {
        using var mail = new Instance();
        Parts.Program.Run("/bin/sh", ["-c", "exec 7>\"$2\"; exec \"$0\" postfix -c \"$1\" start", Parts.Program.Facteur, $"{mail.Top}/etc", $"{mail.Top}/lock"]).Fine();
        var kept = Directory.EnumerateFileSystemEntries($"/proc/{mail.Pid}/fd").Select(fd => new FileInfo(fd).LinkTarget);
        Assert.DoesNotContain($"{mail.Top}/lock", kept);
        mail.Stop();
    }
}
