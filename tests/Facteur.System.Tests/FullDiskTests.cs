using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>A full disk: new mail is refused with 452, what was acknowledged stays, and all is well when there is room again.</summary>
public sealed class FullDiskTests
{
    [Fact]
    public void A_full_disk_refuses_mail_and_loses_none()
    {
        Assert.SkipUnless(Libc.geteuid() == 0, "needs root to mount a small file system");
        var disk = Directory.CreateTempSubdirectory("facteur-disk-").FullName;
        var mount = Parts.Program.Run("/bin/mount", ["-t", "tmpfs", "-o", "size=200m,mode=755", "tmpfs", disk]);
        Assert.SkipWhen(mount.Exit != 0, $"may not mount: {mount.Error.Trim()}");
        try
        {
            Fill(disk);
        }
        finally
        {
            Parts.Program.Run("/bin/umount", ["-l", disk]).Fine();
            Directory.Delete(disk);
        }
    }

    private static void Fill(string disk)
    {
        using var sink = new Sink(started: false);
        using var mail = Instance.Started(sink.Relayhost + "\nmessage_size_limit = 4000000\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s", spool: disk);
        var body = string.Concat(Enumerable.Repeat(new string('x', 99) + "\n", 10_000));
        var kept = new List<int>();
        // The spool keeps a reserve of 64 MB for itself, and wants as much again to begin with. 20 MB of the rest are enough to play with.
        Ballast($"{disk}/ballast", 20 << 20);
        using var client = new Client(mail.Smtp);
        client.Expect("250", "EHLO x.test");
        var reply = "";
        for (var n = 0; n < 40; n++)
        {
            reply = client.Mail("s@box.test", "far@else.test", $"X-Number: {n}\n\n{body}");
            if (!reply.StartsWith("250", StringComparison.Ordinal))
            {
                break;
            }
            kept.Add(n);
        }
        // By smtpd's own rule, before the disk is really full.
        Assert.StartsWith("452 4.3.1", reply, StringComparison.Ordinal);
        Assert.NotEmpty(kept);

        // Really full; a message that does not fit into what is left of the last block.
        using var late = new Client(mail.Smtp);
        late.Expect("250", "EHLO late.test");
        Ballast($"{disk}/ballast", 0);
        Assert.StartsWith("452 4.3.1", late.Mail("s@box.test", "far@else.test", $"Subject: late\n\n{body}"), StringComparison.Ordinal);
        Assert.Equal(0, mail.Postfix("status").Exit);
        Assert.Equal(kept.Count, mail.Queue().Count);

        // Killed and started on the full disk it still has all of it.
        mail.Kill();
        mail.Start();
        Assert.True(kept.Count == mail.Queue().Count, mail.Log);

        // Deliveries make room themselves.
        sink.Start();
        mail.Run("postqueue", "-f").Fine();
        Poll.Until(() => kept.All(sink.Numbers.ContainsKey), () => mail.Log);
        File.Delete($"{disk}/ballast");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Poll.Until(() => Client.Send(mail.Smtp, "s@box.test", "far@else.test", "X-Number: 1000\n\n").StartsWith("250", StringComparison.Ordinal), () => mail.Log);
        Poll.Until(() => sink.Numbers.ContainsKey(1000), () => mail.Log);
        mail.Verify();
    }

    // Taken in one piece, and not again: what the mail system gives back of its reserve when it finds the disk full is its own.
    private static void Ballast(string path, long left)
    {
        var disk = new DriveInfo(Path.GetDirectoryName(path)!);
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        // Somebody may write meanwhile: then it does not fit.
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            var length = disk.AvailableFreeSpace - left;
            if (length <= 0 || Libc.posix_fallocate((int)file.SafeFileHandle.DangerousGetHandle(), file.Length, length) == 0)
            {
                return;
            }
        }
        Assert.Fail("the disk can't be filled");
    }
}
