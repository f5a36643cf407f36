using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>postlock(1): runs a command while a mailbox is locked as local(8) locks it.</summary>
public static class Postlock
{
    private const int TemporaryFailure = 75;

    /// <summary>Runs the command.</summary>
    /// <returns>The exit status of the command, 1 when it has none; 75 when the mailbox was not locked.</returns>
    public static int Run(CommandContext context)
    {
        const string Usage = "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command...";
        var options = new GetOpt(context.Arguments, "c:l:v");
        string? directory = null, style = null;
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 'l':
                    style = options.Argument;
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal(Usage, TemporaryFailure);
            }
        }
        if (options.Operands is not [var path, _, ..])
        {
            return context.Fatal(Usage, TemporaryFailure);
        }
        if (CommandConfig.Load(context, directory, out var wrong) is not { } config)
        {
            return context.Fatal(wrong, TemporaryFailure);
        }
        var locks = ListSyntax.Split(style ?? config.Get(LocalParameters.MailboxDeliveryLock));
        if (locks.FirstOrDefault(l => l is not ("fcntl" or "flock" or "dotlock")) is { } unknown)
        {
            return context.Fatal($"unknown lock style: {unknown}; expected fcntl, flock or dotlock", TemporaryFailure);
        }
        for (var attempt = 1; ; attempt++)
        {
            var errno = Take(path, locks, config, context.Time, out var file);
            if (errno == 0)
            {
                using (file)
                {
                    try
                    {
                        return Execute(context, directory, [.. options.Operands.Skip(1)]);
                    }
                    finally
                    {
                        Release(path, locks);
                    }
                }
            }
            if (errno is not (Libc.EAGAIN or Libc.EEXIST) || attempt >= config.Get(LocalParameters.DeliverLockAttempts))
            {
                return context.Fatal(errno is Libc.EAGAIN or Libc.EEXIST
                    ? $"unable to lock {path} for exclusive access after {attempt} attempts" : $"open file {path}: {Errno.Text(errno)}", TemporaryFailure);
            }
            Thread.Sleep(config.Get(LocalParameters.DeliverLockDelay));
        }
    }

    /// <summary>Takes all locks, or none.</summary>
    /// <returns>0 or the errno; EAGAIN or EEXIST when another keeps one.</returns>
    private static int Take(string path, List<string> locks, IConfig config, TimeProvider time, out UnixFile? file)
    {
        var errno = UnixFile.Open(path, Libc.O_WRONLY, 0, out file);
        // Postfix: a mailbox that is not there is made. None through a link that somebody put there.
        errno = errno == Libc.ENOENT ? UnixFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW, 0x180, out file) : errno;
        // Somebody else was first, or it is a link that leads nowhere.
        errno = errno == Libc.EEXIST ? UnixFile.Open(path, Libc.O_WRONLY | Libc.O_NOFOLLOW, 0, out file) : errno;
        errno = errno == 0 && locks.Contains("flock") ? file!.TryLockFlock() : errno;
        errno = errno == 0 && locks.Contains("fcntl") ? file!.TryLockPosix() : errno;
        errno = errno == 0 && locks.Contains("dotlock") ? TakeFile(path + ".lock", config.Get(LocalParameters.StaleLockTime), time) : errno;
        if (errno != 0)
        {
            file?.Dispose();
        }
        return errno;
    }

    private static int TakeFile(string path, TimeSpan stale, TimeProvider time)
    {
        if (UnixFile.Status(path, followLinks: false, out var status) == 0 && time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(status.Changed.Seconds) > stale)
        {
            _ = UnixPath.Unlink(path);
        }
        var errno = UnixFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW, 0, out var file);
        file?.Dispose();
        return errno;
    }

    private static void Release(string path, List<string> locks)
    {
        if (locks.Contains("dotlock"))
        {
            _ = UnixPath.Unlink(path + ".lock");
        }
    }

    private static int Execute(CommandContext context, string? directory, List<string> command)
    {
        var program = command[0].Contains('/') ? command[0]
            : (context.Environment.GetValueOrDefault("PATH") ?? "/usr/bin:/bin").Split(':').Select(d => Path.Combine(d.Length == 0 ? "." : d, command[0])).FirstOrDefault(File.Exists);
        if (program is null)
        {
            return context.Fatal($"execvp {command[0]}: No such file or directory");
        }
        context.Output.Flush();
        // Postfix: what -c names is the command's instance, too.
        const string instance = "MAIL_CONFIG";
        var environment = context.Environment.Where(e => directory is null || e.Key != instance).Select(e => $"{e.Key}={e.Value}").ToList();
        if (directory is not null)
        {
            environment.Add($"{instance}={directory}");
        }
        var errno = ChildProcess.Start(program, command, environment, [0, 1, 2], out var pid);
        if (errno != 0)
        {
            // Postfix: the child that can't become the command ends with 1.
            return errno is Libc.EAGAIN or Libc.ENOMEM ? context.Fatal($"fork: {Errno.Text(errno)}", TemporaryFailure) : context.Fatal($"execvp {command[0]}: {Errno.Text(errno)}");
        }
        var status = ChildProcess.Wait(pid);
        // wait(2): ended by itself with a status, or by a signal.
        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 1;
    }
}
