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

    /// <summary>Postfix: mail_params.c, at the start of every program.</summary>
    [Theory]
    [InlineData("setgid_group = games", "parameters mail_owner and setgid_group: user games and group games have the same group ID: ")]
    [InlineData("default_privs = games", "parameters default_privs and mail_owner specify the same user games")]
    [InlineData("setgid_group = nogroup", "parameters default_privs and setgid_group: user nobody and group nogroup have the same group ID: ")]
    [InlineData("default_privs = nosuchuser", "parameter default_privs: unknown user name value: nosuchuser")]
    public void Accounts_that_share_what_only_one_may_have_keep_it_from_starting(string setting, string refusal)
    {
        Assert.SkipUnless(Facteur.Unix.Libc.geteuid() == 0, "needs root, to have other accounts");
        using var mail = new Instance($"mail_owner = games\nsetgid_group = news\n{setting}");
        var expected = $"fatal: file {mail.MainCf}: {refusal}";
        foreach (var command in (string[])["start", "start-fg", "check", "reload"])
        {
            var outcome = mail.Postfix(command);
            Assert.Equal((1, true), (outcome.Exit, outcome.Error.Contains($"postfix: {expected}", StringComparison.Ordinal)));
        }
        // Whoever starts master itself, and reloads by a signal, meets the same.
        var start = Program.Run(Program.Facteur, ["master", "-c", $"{mail.Top}/etc", .. Instance.Single ? ["--single-process"] : Array.Empty<string>()]);
        Assert.Equal(1, start.Exit);
        Assert.Contains(expected, start.Error, StringComparison.Ordinal);
        Assert.Equal(1, mail.Postfix("stop").Exit);
    }

    /// <summary>Postfix: its master starts whatever its services make of their options, and who is at fault ends alone.</summary>
    [Fact]
    public void An_entry_with_a_mistake_of_its_own_is_left_out_at_a_start_and_refused_at_a_reload()
    {
        using var mail = new Instance("relay_domains = one.test two.test three.test\ntransport_maps = inline:{one.test=broken: two.test=weird: three.test=nothing:}");
        using var port = new Port();
        using var other = new Port();
        var good = File.ReadAllText(mail.MasterCf);
        var first = good.Split('\n').Length;
        File.AppendAllText(mail.MasterCf, $"""
            127.0.0.1:{port.Number} inet n - n - - smtpd -o smtpd_recipient_limit=many
            broken unix - - n - - smtp -o smtp_connect_timeout
            weird unix - - n - - weird
            nothing unix - - n - - smtp -o smtp_tls_wrappermode=yes
            in unix - - n - - smtpd
            127.0.0.1:{other.Number} inet n - n - - smtpd -o cleanup_service_name=none

            """);
        var start = mail.Run("postfix", Instance.Single ? ["start", "--single-process"] : ["start"]);
        Assert.Equal(0, start.Exit);
        Assert.Contains($"postfix: error: bad numerical configuration: smtpd_recipient_limit = many ({mail.MasterCf}, line {first}, service 127.0.0.1:{port.Number}/inet)", start.Error, StringComparison.Ordinal);
        mail.Logged($"postfix/master[{mail.Pid}]: ");
        foreach (var text in (string[])
        [
            $"error: bad numerical configuration: smtpd_recipient_limit = many ({mail.MasterCf}, line {first}, service 127.0.0.1:{port.Number}/inet)",
            $"error: file {mail.MasterCf}: line {first + 1}: -o: missing '=' after attribute name: \"smtp_connect_timeout\"",
            $"warning: {mail.MasterCf}, line {first + 2}: service weird/unix (weird): there is no program weird: mail for it waits",
            $"error: smtp_tls_wrappermode = yes needs smtp_tls_security_level = encrypt ({mail.MasterCf}, line {first + 3}, service nothing/unix)",
            $"error: cleanup_service_name = none: expected the name of a cleanup service in master.cf ({mail.MasterCf}, line {first + 5}, service 127.0.0.1:{other.Number}/inet)",
            $"warning: {mail.MasterCf}, line {first + 4}: service in/unix (smtpd): is not acted on yet",
        ])
        {
            mail.Logged(text);
        }
        // Postfix's smtpd would end before it greets.
        using (var nobody = new global::System.Net.Sockets.TcpClient("127.0.0.1", other.Number))
        {
            Assert.Equal(-1, nobody.GetStream().ReadByte());
        }
        // All others serve; mail for what is left out waits.
        Assert.StartsWith("250 2.0.0", Client.Send(mail.Smtp, "s@box.test", "works@box.test a@one.test a@two.test a@three.test", "Subject: the rest\n\n"), StringComparison.Ordinal);
        mail.Delivered("works", "Subject: the rest\n");
        foreach (var domain in (string[])["one", "two", "three"])
        {
            Poll.Until(() => mail.Log.Split('\n').Any(l => l.Contains($"to=<a@{domain}.test>", StringComparison.Ordinal) && l.Contains("status=deferred", StringComparison.Ordinal)), () => mail.Log);
        }
        // A reload has something better than the rest: all of the configuration before.
        mail.Set("smtpd_banner = changed");
        Assert.Equal(1, mail.Postfix("reload").Exit);
        _ = Facteur.Unix.Libc.kill(mail.Pid, Facteur.Unix.Libc.SIGHUP);
        mail.Logged("error: reload: ");
        using (var client = new Client(mail.Smtp))
        {
            Assert.NotEqual("220 changed", client.Greeting);
        }
        var check = mail.Postfix("check");
        Assert.Equal(1, check.Exit);
        File.WriteAllText(mail.MasterCf, good + "weird unix - - n - - weird\nin unix - - n - - smtpd\n");
        check = mail.Postfix("check");
        Assert.Equal(0, check.Exit);
        Assert.Contains($"warning: {mail.MasterCf}, line {first}: service weird/unix (weird): there is no program weird: mail for it waits", check.Error, StringComparison.Ordinal);
        Assert.Contains($"warning: {mail.MasterCf}, line {first + 1}: service in/unix (smtpd): is not acted on yet", check.Error, StringComparison.Ordinal);
        // Without a service that mail can't do without nothing starts.
        mail.Stop();
        File.WriteAllText(mail.MasterCf, good.Replace("0 cleanup", "0 cleanup -o header_size_limit=many", StringComparison.Ordinal));
        Assert.Equal(1, mail.Postfix("start").Exit);
        Assert.Contains("fatal: bad numerical configuration: header_size_limit = many", mail.Run("master", "-d").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_one_process_makes_as_root_the_processes_of_another_start_can_use()
    {
        Assert.SkipUnless(Facteur.Unix.Libc.geteuid() == 0, "needs root, to have other accounts");
        using var mail = new Instance("mail_owner = games\nqueue_owner = news\nsetgid_group = news");
        foreach (var way in (string[][])[["start", "--single-process"], ["start"], ["start", "--single-process"], ["start"]])
        {
            var start = mail.Run("postfix", way);
            Assert.True(start.Exit == 0, start.Error + mail.Log);
            var body = $"after {way.Length} words and {mail.Log.Length} bytes";
            Assert.StartsWith("250 2.0.0", Client.Send(mail.Smtp, "s@box.test", "works@box.test", $"Subject: x\n\n{body}\n{new string('x', 70)}\n"), StringComparison.Ordinal);
            mail.Delivered("works", body);
            mail.Stop();
            Assert.Equal(0, Facteur.Unix.UserAccount.Find("news", out var queue));
            Assert.All(Directory.EnumerateFileSystemEntries($"{mail.Spool}/journal", "*", SearchOption.AllDirectories).Append($"{mail.Spool}/journal"), path =>
            {
                Assert.Equal(0, Facteur.Unix.UnixFile.Status(path, followLinks: false, out var status));
                Assert.Equal((path, queue!.Uid), (path, status.Uid));
            });
        }
    }
}
