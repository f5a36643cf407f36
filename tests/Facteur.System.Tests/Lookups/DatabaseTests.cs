using Facteur.System.Tests.Parts;
using Facteur.Testing.Servers;
using Facteur.Unix;

namespace Facteur.System.Tests.Lookups;

/// <summary>Tables in databases, asked by the roles of a running system, each confined as it is: real servers that go and come back while mail flows.</summary>
public sealed class DatabaseTests
{
    /// <summary>Who can't be asked for is not unknown: mail waits, and none is lost or refused for good.</summary>
    [Fact]
    public void Mail_waits_while_the_server_is_away()
    {
        using var server = new PgsqlServer();
        Assert.SkipUnless(server.IsThere, "needs the package postgresql");
        using var mail = Owned(games => $"""
            virtual_alias_maps = proxy:pgsql:{games}/etc/aliases.cf
            virtual_mailbox_maps = texthash:{games}/etc/boxes
            smtpd_recipient_restrictions = check_recipient_access pgsql:{games}/etc/access.cf, permit_mynetworks, reject
            transport_maps = pgsql:{games}/etc/routes.cf
            minimal_backoff_time = 2s
            queue_run_delay = 2s
            """);
        Assert.Equal((0, ""), server.Psql("""
            INSERT INTO alias VALUES('group@box.test', 'one@box.test two@box.test', 1, true), ('gone@box.test', '554 5.7.1 gone', 2, true), ('one@box.test', 'virtual:', 3, true);
            """));
        foreach (var (file, number) in ((string, int)[])[("aliases", 1), ("access", 2), ("routes", 3)])
        {
            File.WriteAllText($"{mail.Top}/etc/{file}.cf", $"""
                hosts = 127.0.0.1:{server.Server.Port}
                user = mail
                password = {PgsqlServer.Password}
                dbname = postgres
                retry_interval = 1
                query = SELECT goto FROM alias WHERE address = '%s' AND number = {number}

                """);
        }
        mail.Start();
        Send("before");
        mail.Delivered("one", "Subject: before");
        mail.Delivered("two", "Subject: before");
        Assert.StartsWith("554 5.7.1 <gone@box.test>: Recipient address rejected: gone", Client.Send(mail.Smtp, "s@box.test", "gone@box.test", "Subject: x\n\n"), StringComparison.Ordinal);

        // A message in the queue whose route nobody knows any more.
        mail.Run("postconf", "-e", "defer_transports = virtual").Fine();
        mail.Reload();
        Send("during");
        server.Stop();
        Assert.StartsWith("451 4.3.0 <group@box.test>: Temporary lookup failure", Client.Send(mail.Smtp, "s@box.test", "group@box.test", "Subject: x\n\n"), StringComparison.Ordinal);
        mail.Run("sendmail", "Subject: local\n\nx\n"u8.ToArray(), "-f", "s@box.test", "group@box.test").Fine();
        mail.Run("postconf", "-X", "defer_transports").Fine();
        mail.Reload();
        mail.Logged("warning: connect to pgsql server 127.0.0.1: ");
        mail.Logged("status=deferred (address resolver failure)");
        Assert.DoesNotContain("status=bounced", mail.Log, StringComparison.Ordinal);

        server.Start();
        Poll.Until(() => Client.Send(mail.Smtp, "s@box.test", "group@box.test", "Subject: after\n\n").StartsWith("250", StringComparison.Ordinal), () => mail.Log);
        mail.Postfix("flush").Fine();
        foreach (var subject in (string[])["during", "local", "after"])
        {
            mail.Delivered("one", $"Subject: {subject}");
            mail.Delivered("two", $"Subject: {subject}");
        }
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.DoesNotContain("status=bounced", mail.Log, StringComparison.Ordinal);

        void Send(string subject) =>
            Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", "group@box.test", $"Subject: {subject}\n\n"), StringComparison.Ordinal);
    }

    /// <summary>A command of an alias in a database runs in the name of whoever may write its parameters; never in root's.</summary>
    [Theory]
    [InlineData("root", "nobody")]
    [InlineData("daemon", "daemon")]
    public void A_command_of_an_alias_runs_as_the_owner_of_the_table_s_file(string owner, string expected)
    {
        Assert.SkipUnless(Sqlite3.IsAvailable, "needs libsqlite3");
        using var mail = Owned(top => $"mydestination = local.test\nlocal_recipient_maps =\nalias_maps = sqlite:{top}/etc/aliases.cf");
        Directory.CreateDirectory($"{mail.Top}/out");
        Assert.Equal(0, Libc.chmod($"{mail.Top}/out", 0x3FF));
        // An empty file is a database without tables.
        File.WriteAllText($"{mail.Top}/etc/db", "");
        File.WriteAllText($"{mail.Top}/etc/aliases.cf", $"""
            dbpath = {mail.Top}/etc/db
            query = SELECT CASE '%s' WHEN 'run' THEN '"|/usr/bin/id -un >{mail.Top}/out/command"' WHEN 'file' THEN '{mail.Top}/out/file' END

            """);
        Assert.Equal(0, UserAccount.Find(owner, out var user));
        Assert.Equal(0, Libc.chown($"{mail.Top}/etc/aliases.cf", user!.Uid, user.Gid));
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "run@local.test file@local.test", "Subject: x\n\nx\n");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.True(File.Exists($"{mail.Top}/out/command"), mail.Log);
        Assert.Equal(expected, File.ReadAllText($"{mail.Top}/out/command").Trim());
        Assert.Equal(0, UserAccount.Find(expected, out var writer));
        Assert.Equal(0, UnixFile.Status($"{mail.Top}/out/file", followLinks: false, out var status));
        Assert.Equal(writer!.Uid, status.Uid);
    }

    private static Instance Owned(Func<string, string> lines)
    {
        Assert.SkipWhen(Instance.Single || Libc.geteuid() != 0, "needs root, and a process per role");
        var mail = new Instance("mail_owner = games\nsetgid_group = news");
        mail.Set(lines(mail.Top));
        Assert.Equal(0, UserAccount.Find("games", out var owner));
        Directory.CreateDirectory($"{mail.Top}/log");
        foreach (var directory in (string[])["data", "log"])
        {
            Assert.Equal(0, Libc.chown($"{mail.Top}/{directory}", owner!.Uid, owner.Gid));
        }
        mail.LogTo($"{mail.Top}/log/maillog");
        return mail;
    }
}
