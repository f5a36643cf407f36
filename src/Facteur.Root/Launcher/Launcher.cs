using System.Globalization;
using Facteur.Unix;

namespace Facteur.Root.Launcher;

/// <summary>
/// Gives up every right a program does not need, then becomes the program. Rights given up here are gone for every thread it will have:
/// Landlock and the like bind a thread and what it starts, and there is one thread yet that counts.
/// What the kernel does not have is said on standard error, and done without.
/// </summary>
public static class Launcher
{
    /// <summary>
    /// launcher [--user UID:GID:GROUP,GROUP…] [--read PATH]… [--write PATH]… [--landlock connect|alone] [--filter] [--wx] PROGRAM ARGUMENTS…
    /// Only master calls it, and checks nothing less than its own arguments.
    /// </summary>
    /// <returns>Only when the program could not be started: 71 (EX_OSERR), 64 for wrong arguments.</returns>
    public static int Run(IReadOnlyList<string> arguments, TextWriter error)
    {
        var (at, read, write) = (0, new List<string>(), new List<string>());
        string? user = null;
        string? landlock = null;
        var (filter, wx) = (false, false);
        for (; at < arguments.Count && arguments[at].StartsWith("--", StringComparison.Ordinal); at++)
        {
            switch (arguments[at])
            {
                case "--filter":
                    filter = true;
                    continue;
                case "--wx":
                    wx = true;
                    continue;
            }
            if (++at >= arguments.Count)
            {
                break;
            }
            switch (arguments[at - 1])
            {
                case "--user":
                    user = arguments[at];
                    break;
                case "--read":
                    read.Add(arguments[at]);
                    break;
                case "--write":
                    write.Add(arguments[at]);
                    break;
                case "--landlock":
                    landlock = arguments[at];
                    break;
                default:
                    error.WriteLine($"launcher: unknown option {arguments[at - 1]}");
                    return 64;
            }
        }
        if (at >= arguments.Count)
        {
            error.WriteLine("launcher: a program is missing");
            return 64;
        }
        try
        {
            if (user is not null)
            {
                DropCapabilities();
                Become(user);
            }
        }
        catch (Exception e) when (e is IdentityException or FormatException or OverflowException)
        {
            error.WriteLine($"launcher: {e.Message}");
            return 71;
        }
        if (landlock is not null || filter || wx)
        {
            // A just-in-time compiler writes what it runs: only native programs can do without.
            Confine(landlock, read, write, filter, wx && !File.Exists(arguments[at] + ".dll"), error);
        }
        var program = arguments.Skip(at).ToArray();
        var environment = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(v => $"{v.Key}={v.Value}").ToArray();
        var errno = ChildProcess.Become(program[0], program, environment);
        error.WriteLine($"launcher: {program[0]}: {Errno.Text(errno)}");
        return 71;
    }

    private static void Become(string user)
    {
        var parts = user.Split(':');
        if (parts.Length != 3)
        {
            throw new FormatException($"--user {user}: expected UID:GID:GROUP,GROUP...");
        }
        var groups = parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number).ToArray();
        ProcessIdentity.Become(Number(parts[0]), Number(parts[1]), groups);
    }

    private static uint Number(string text) => uint.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    // The user's set is empty once root is gone; the bounding set is what a set-uid program could still give back.
    private static void DropCapabilities()
    {
        const int drop = 24, keepNone = 47, clearAmbient = 4, last = 63;
        for (nuint capability = 0; capability <= last; capability++)
        {
            _ = Libc.prctl(drop, capability, 0, 0, 0);
        }
        _ = Libc.prctl(keepNone, clearAmbient, 0, 0, 0);
    }

    private static void Confine(string? landlock, List<string> read, List<string> write, bool filter, bool wx, TextWriter error)
    {
        const int noNewPrivileges = 38, denyWriteExecute = 65;
        void Without(string what, int errno) => error.WriteLine($"launcher: the kernel refuses {what} ({Errno.Text(errno)}): on without it");
        if (Libc.prctl(noNewPrivileges, 1, 0, 0, 0) < 0)
        {
            Without("no_new_privs", System.Runtime.InteropServices.Marshal.GetLastPInvokeError());
        }
        if (landlock is not null)
        {
            var rules = Landlock.Create(landlock == "connect", out var errno);
            if (rules is null)
            {
                Without("Landlock", errno == 0 ? 38 : errno);
            }
            else
            {
                read.ForEach(rules.AllowRead);
                write.ForEach(rules.AllowWrite);
                errno = rules.Restrict();
                if (errno != 0)
                {
                    Without("Landlock", errno);
                }
            }
        }
        if (wx && Libc.prctl(denyWriteExecute, 1, 0, 0, 0) < 0)
        {
            Without("memory that is never writable and executable", System.Runtime.InteropServices.Marshal.GetLastPInvokeError());
        }
        if (filter && Seccomp.DenyDangerous() is not 0 and var refused)
        {
            Without("seccomp", refused);
        }
    }
}
