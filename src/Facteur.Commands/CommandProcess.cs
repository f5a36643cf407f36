using System.Collections;
using System.Net.Sockets;
using System.Text;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>A command as a process: the name it was called by, its streams, and what it ends with. Every executable starts here.</summary>
public static class CommandProcess
{
    private const int TemporaryFailure = 75;
    private const int Unavailable = 69;
    private const int AccessMode = 3;

    /// <summary>The last part of argv[0], "" when there is none.</summary>
    public static string CalledAs()
    {
        var called = Environment.GetCommandLineArgs() is [var first, ..] ? first : "";
        if (called.EndsWith(".dll", StringComparison.Ordinal))
        {
            // A build that is compiled at run time sees the name of its library there.
            var line = File.ReadAllBytes("/proc/self/cmdline").AsSpan();
            var end = line.IndexOf((byte)0);
            called = Encoding.UTF8.GetString(end < 0 ? line : line[..end]);
        }
        return Path.GetFileName(called);
    }

    /// <summary>The process's environment.</summary>
    public static Dictionary<string, string> OwnEnvironment()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment[(string)variable.Key] = (string?)variable.Value ?? "";
        }
        return environment;
    }

    /// <summary>Runs a command on the process's own streams.</summary>
    /// <param name="name">The name it was called by.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">What it may see of the environment.</param>
    /// <param name="command">The command.</param>
    /// <returns>The exit status.</returns>
    public static int Run(string name, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, Func<CommandContext, int> command)
    {
        // Postfix: what is closed is /dev/null, so that no file of ours gets one of these numbers.
        for (var descriptor = 0; descriptor <= 2; descriptor++)
        {
            if (Libc.fcntl(descriptor, Libc.F_GETFD, 0) < 0)
            {
                _ = Libc.open("/dev/null", Libc.O_RDWR, 0);
            }
        }
        // SIG_IGN: a file that grows too big is EFBIG, a reader that went away EPIPE, and not the end of the process.
        _ = Libc.signal(Libc.SIGXFSZ, 1);
        _ = Libc.signal(Libc.SIGPIPE, 1);
        StreamWriter? error = null;
        try
        {
            error = new StreamWriter(Inherited(2) ? new StandardStream(2) : Stream.Null, new UTF8Encoding(false), 1024) { AutoFlush = true };
            using var input = Inherited(0) ? new StandardStream(0) : Stream.Null;
            var output = new StreamWriter(Inherited(1) ? new StandardStream(1) : Stream.Null, new UTF8Encoding(false), 16 << 10);
            var status = command(new CommandContext(name, arguments, input, output, error, TimeProvider.System, environment));
            output.Flush();
            return status;
        }
        catch (Exception e)
        {
            // What the world did is one line; a fault of ours says where it is. Mail that was not taken stays with its program (EX_TEMPFAIL).
            var expected = e is IOException or UnauthorizedAccessException or SocketException or ConfigException or ControlException or IdentityException;
            Say(error, $"{name}: fatal: {(expected ? e.Message : e)}\n");
            return name switch
            {
                "sendmail" or "postdrop" => TemporaryFailure,
                "mailq" or "postqueue" => Unavailable,
                _ => 1,
            };
        }
    }

    // Without a descriptor left there is no stream either.
    private static unsafe void Say(StreamWriter? error, string line)
    {
        if (error is not null)
        {
            error.Write(line);
            return;
        }
        fixed (byte* bytes = Encoding.UTF8.GetBytes(line))
        {
            _ = Libc.write(2, bytes, Encoding.UTF8.GetByteCount(line));
        }
    }

    // The runtime was there first: a closed one's number may be a descriptor of its own by now, which closes on exec, as nothing does that came through one.
    // glibc was there before it: in a set-gid program it opens what is closed the wrong way round, so that nothing can be done with it.
    private static bool Inherited(int descriptor) =>
        Libc.fcntl(descriptor, Libc.F_GETFD, 0) == 0 && (Libc.fcntl(descriptor, Libc.F_GETFL, 0) & AccessMode) != (descriptor == 0 ? Libc.O_WRONLY : Libc.O_RDONLY);
}
