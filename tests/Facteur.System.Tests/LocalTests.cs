using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>local(8) in a running system: commands of several users.</summary>
public sealed class LocalTests
{
    [Theory]
    [InlineData("-o mail_spool_directory=TOP/boxes", "boxes")]
    [InlineData("-o { mail_spool_directory = ${data_directory}/boxes }", "data/boxes")]
    public void A_mail_spool_directory_of_a_services_own_is_known_to_who_may_write_it(string option, string directory)
    {
        using var mail = Owned("mydestination = local.test\nlocal_recipient_maps =\nmailbox_command =");
        var boxes = $"{mail.Top}/{directory}";
        Directory.CreateDirectory(boxes);
        var before = File.ReadAllText(mail.MasterCf);
        mail.Start();
        // From a reload on.
        File.WriteAllText(mail.MasterCf, before.Replace("- local\n", $"- local {option.Replace("TOP", mail.Top, StringComparison.Ordinal)}\n", StringComparison.Ordinal));
        mail.Reload();
        // By way of sendmail, for the reload also replaces who answers at the door.
        mail.Run("sendmail", "Subject: x\n\nin a box of its own\n"u8.ToArray(), "daemon@local.test").Fine();
        Poll.Until(() => File.Exists($"{boxes}/daemon") && File.ReadAllText($"{boxes}/daemon").Contains("in a box of its own", StringComparison.Ordinal), () => mail.Log);
        Assert.Equal(0, UserAccount.Find("daemon", out var user));
        Assert.Equal(0, UnixFile.Status($"{boxes}/daemon", followLinks: false, out var status));
        Assert.Equal((user!.Uid, 0x180u), (status.Uid, status.Mode & 0x1FF));
        // Expander and parent were replaced, as they were told.
        Assert.DoesNotContain("warning: process", mail.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void A_virtual_minimum_uid_of_a_services_own_is_known_to_who_starts_helpers()
    {
        using var mail = Owned("virtual_minimum_uid = 4000000000");
        File.WriteAllText(mail.MasterCf, File.ReadAllText(mail.MasterCf).Replace("- virtual\n", "- virtual -o virtual_minimum_uid=100\n", StringComparison.Ordinal));
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "plain@box.test", "Subject: x\n\nabove the least\n");
        mail.Delivered("plain", "above the least");
    }

    /// <summary>A user's files are opened a few at a time: who comes then waits for a turn, whatever names the user has.</summary>
    [Fact]
    public void Many_names_of_one_user_are_delivered_to_at_once()
    {
        using var mail = Owned("mydestination = local.test\nlocal_recipient_maps =\nalias_maps = texthash:TOP/etc/names");
        File.WriteAllText(mail.MainCf, File.ReadAllText(mail.MainCf).Replace("TOP", mail.Top, StringComparison.Ordinal));
        File.WriteAllLines($"{mail.Top}/etc/names", Enumerable.Range(0, 40).Select(n => $"name{n} daemon"));
        Directory.CreateDirectory($"{mail.Top}/box");
        Assert.Equal(0, Libc.chmod($"{mail.Top}/box", 0x3FF));
        mail.Set($"mail_spool_directory = {mail.Top}/box\nmailbox_delivery_lock = fcntl\nmyorigin = local.test");
        mail.Start();
        var names = string.Join(' ', Enumerable.Range(0, 40).Select(n => $"name{n}@local.test"));
        for (var i = 0; i < 3; i++)
        {
            Assert.StartsWith("250", Client.Send(mail.Smtp, "s@box.test", names, $"Subject: {i}\n\nx\n"), StringComparison.Ordinal);
        }
        Poll.Until(() => mail.Queue().Count == 0 || mail.Log.Contains("status=deferred", StringComparison.Ordinal), () => mail.Log);
        Assert.DoesNotContain("status=deferred", mail.Log, StringComparison.Ordinal);
        Assert.Equal(120, mail.Log.Split('\n').Count(l => l.Contains("status=sent (delivered to mailbox)", StringComparison.Ordinal)));
    }

    /// <summary>What gives rights has changed: another parent and another expander come, and those before end the command that runs.</summary>
    [Fact]
    public void A_reload_that_changes_rights_does_not_cut_a_users_command()
    {
        using var mail = Owned("mydestination = local.test\nlocal_recipient_maps =\nmailbox_command = while test ! -e GO; do sleep 0.05; done; exit 0");
        File.WriteAllText(mail.MainCf, File.ReadAllText(mail.MainCf).Replace("GO", $"{mail.Top}/go-$USER", StringComparison.Ordinal));
        File.WriteAllText($"{mail.Top}/go-bin", "");
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "daemon@local.test", "Subject: x\n\nslow\n");
        Poll.Until(() => Program.Run("/usr/bin/pgrep", ["-f", $"test ! -e .*{mail.Top}/go-"]).Exit == 0, () => $"the command\n{mail.Log}");
        var before = mail.Role("local");
        mail.Set("virtual_minimum_uid = 200");
        mail.Reload();
        Client.Send(mail.Smtp, "s@box.test", "bin@local.test", "Subject: x\n\nquick\n");
        mail.Logged("to=<bin@local.test>, relay=local");
        Assert.Equal(0, Libc.kill(before, 0));
        Assert.DoesNotContain("to=<daemon@local.test>", mail.Log, StringComparison.Ordinal);
        File.WriteAllText($"{mail.Top}/go-daemon", "");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Poll.Until(() => Libc.kill(before, 0) < 0, () => "the end of the one before");
        Assert.Equal(2, mail.Log.Split('\n').Count(l => l.Contains("status=sent (delivered to command: ", StringComparison.Ordinal)));
        Assert.DoesNotContain("warning: process", mail.Log, StringComparison.Ordinal);
    }

    private static Instance Owned(string lines)
    {
        Assert.SkipWhen(Instance.Single || Libc.geteuid() != 0, "needs root, and a process per role");
        var mail = new Instance($"mail_owner = games\nsetgid_group = news\n{lines}");
        Assert.Equal(0, UserAccount.Find("games", out var owner));
        Directory.CreateDirectory($"{mail.Top}/log");
        foreach (var directory in (string[])["data", "log"])
        {
            Assert.Equal(0, Libc.chown($"{mail.Top}/{directory}", owner!.Uid, owner.Gid));
        }
        mail.LogTo($"{mail.Top}/log/maillog");
        return mail;
    }

    [Fact]
    public void Users_are_served_side_by_side_and_each_at_most_twice_at_once()
    {
        if (Libc.geteuid() != 0)
        {
            Assert.Skip("needs root: commands of several users");
        }
        var directory = Directory.CreateTempSubdirectory("facteur-local-").FullName;
        try
        {
            Assert.Equal(0, Libc.chmod(directory, 0x1FF));
            using var mail = Instance.Started($"mydestination = local.test\nlocal_recipient_maps =\nmailbox_command = echo $USER + >>{directory}/all; sleep 0.7; echo $USER - >>{directory}/all; exit 0\nprepend_delivered_header =");
            File.WriteAllText($"{directory}/all", "");
            Assert.Equal(0, Libc.chmod($"{directory}/all", 0x1B6));
            for (var i = 0; i < 6; i++)
            {
                Client.Send(mail.Smtp, "s@box.test", "daemon@local.test", $"Subject: {i}\n\nx\n");
            }
            Client.Send(mail.Smtp, "s@box.test", "bin@local.test", "Subject: other\n\nx\n");
            string[] lines = [];
            Poll.Until(() => (lines = File.ReadAllLines($"{directory}/all")).Length == 14, () => mail.Log);
            var (running, most) = (0, 0);
            foreach (var line in lines.Where(l => l.StartsWith("daemon", StringComparison.Ordinal)))
            {
                most = Math.Max(most, running += line.EndsWith('+') ? 1 : -1);
            }
            Assert.Equal(2, most);
            Assert.True(Array.IndexOf(lines, "bin +") < Array.LastIndexOf(lines, "daemon +"), string.Join('\n', lines));
            Poll.Until(() => mail.Run("postqueue", "-p").Fine() == "Mail queue is empty\n", () => mail.Log);
            mail.Verify();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
