using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>postfix(1): starts, stops and looks after the mail system.</summary>
public static class Postfix
{
    /// <summary>With start and start-fg: all roles in one process.</summary>
    public const string SingleProcess = "--single-process";

    private const string Usage = "usage: postfix [-c config_dir] [-Dv] command";
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);

    /// <summary>Runs the command.</summary>
    /// <param name="context">The process.</param>
    /// <param name="serve">Runs the mail system until it is told to stop: config_directory, whether in one process; the exit status.</param>
    public static int Run(CommandContext context, Func<string, bool, int> serve)
    {
        var single = context.Arguments.Contains(SingleProcess);
        context = context with { Arguments = [.. context.Arguments.Where(a => a != SingleProcess)] };
        string? directory = null;
        var options = new GetOpt(context.Arguments, "c:Dv");
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 'D' or 'v':
                    break;
                default:
                    context.Error.WriteLine($"postfix: {options.Error}");
                    return context.Fatal(Usage);
            }
        }
        var command = options.Operands is [var first, ..] ? first : "";
        var operands = options.Operands.Skip(1).ToList();
        var named = directory;
        directory = Path.GetFullPath(ConfigLoader.FindDirectory(directory, context.Environment));
        if (command == "check" && File.Exists($"{directory}/main.cf") && !File.Exists($"{directory}/master.cf"))
        {
            return Fail(context, $"no {directory}/master.cf file found");
        }
        // What stops or shows a running system does so whatever was written into the files meanwhile.
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = "postfix", WithMaster = command is not ("stop" or "quick-stop" or "drain" or "abort" or "status" or "flush") });
        if (command is "start" or "quick-start" or "start-fg")
        {
            load = load.WithoutBroken();
            foreach (var (_, error) in load.Errors.Count > 0 ? [] : load.Broken)
            {
                context.Error.WriteLine($"postfix: error: {error}");
            }
        }
        if (load.Errors.Count > 0)
        {
            foreach (var error in load.Errors.Take(load.Errors.Count - 1))
            {
                context.Error.WriteLine($"postfix: error: {error}");
            }
            return context.Fatal(load.Errors[^1]);
        }
        // Postfix: every command looks at that first. Here one that stops or shows what runs does so all the same.
        if (command is "start" or "quick-start" or "start-fg" or "reload" or "check" && PostfixAccounts.Refusal(load.Config, Libc.geteuid() == 0) is { } refusal)
        {
            return context.Fatal(refusal);
        }
        var queue = load.Config.Get(CommonParameters.QueueDirectory);
        // Postfix: who names an instance means that one; else all that there are, of which a program knows.
        if (command.Length > 0 && named is null && !context.Environment.ContainsKey("MAIL_CONFIG") && Several(load.Config))
        {
            return Wrapper(context, load.Config, options.Operands);
        }
        // Postfix: the other commands take no notice of further words.
        if (operands.Count > 0 && command is "set-permissions" or "upgrade-configuration" or "logrotate")
        {
            return Fail(context, command == "logrotate" ? "usage postfix logrotate (no arguments)" : $"usage: postfix {command} (no arguments)");
        }
        // The quick- forms and drain are for programs that look after Postfix (postmulti, post-install): a start here does the same checks either
        // way, and every stop lets deliveries under way end.
        return command switch
        {
            "start" or "quick-start" => Start(context, load.Config, directory, queue, single),
            "start-fg" when Several(load.Config) => Fail(context, "start-fg does not support multi_instance_directories"),
            "start-fg" when Environment.ProcessId == 1 => AsInit(directory, single),
            "start-fg" => StartForeground(context, directory, queue, d => serve(d, single)),
            "stop" or "quick-stop" or "drain" => Signal(context, queue, Libc.SIGTERM, "stopping", wait: true),
            "abort" => Signal(context, queue, Libc.SIGKILL, "aborting", wait: true),
            "reload" => Signal(context, queue, Libc.SIGHUP, "refreshing", wait: false),
            "status" => Status(context, queue),
            "check" => Check(context, load, queue),
            "set-permissions" => new PostfixPermissions(text => Say(context, text)).Set(load.Config) ? 0 : 1,
            "upgrade-configuration" => Upgrade(context, directory),
            "logrotate" => new PostfixLogRotation(text => Say(context, text), context.Time).Rotate(load.Config) ? 0 : 1,
            "flush" => Postqueue.Run(context with { Name = "postqueue", Arguments = ["-c", directory, "-f"] }),
            _ => Unknown(context, command),
        };
    }

    private static int Unknown(CommandContext context, string command) => Fail(context,
        $"unknown command: '{command}'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)");

    private static bool Several(IConfig config) => config.Get(ShowqParameters.MultiInstanceDirectories).AsSpan().ContainsAnyExcept(' ', '\t', ',');

    /// <summary>multi_instance_wrapper, with the command behind it.</summary>
    private static int Wrapper(CommandContext context, IConfig config, IReadOnlyList<string> words)
    {
        var wrapper = config.Get(MultiInstanceParameters.Wrapper).Split([' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries);
        if (wrapper.Length == 0)
        {
            return context.Fatal("multi-instance support is requested, but multi_instance_wrapper is empty");
        }
        return ForeignCommand.Run(context, [.. wrapper, .. words], wrapper[0]);
    }

    private static int Upgrade(CommandContext context, string directory)
    {
        var path = $"{directory}/master.cf";
        IReadOnlyList<string> done = [];
        if (ConfigFile.Rewrite(path, text => MasterCfUpgrade.Apply(text, out done)) is { } wrong)
        {
            return Fail(context, wrong);
        }
        foreach (var step in done)
        {
            context.Output.WriteLine($"Editing {path}, {step}");
        }
        return 0;
    }

    private static int Start(CommandContext context, IConfig config, string directory, string queue, bool single)
    {
        if (Blocked(context, queue) is { } status)
        {
            return status;
        }
        Say(context, "starting the Postfix mail system");
        // What runs as root is a program of its own, that holds nothing else; where there is only one program, it is that one.
        var lean = Path.Combine(Path.GetDirectoryName(Environment.ProcessPath)!, "facteur-lean");
        var start = new ProcessStartInfo(!single && File.Exists(lean) ? lean : Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = queue };
        foreach (var argument in (string[])["master", "-d", "-c", directory, .. single ? [SingleProcess] : Array.Empty<string>()])
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment.Clear();
        foreach (var (name, value) in ImportedEnvironment.Of(config.Get(CommonParameters.ImportEnvironment), context.Environment))
        {
            start.Environment[name] = value;
        }
        KeepDescriptors();
        using var process = Process.Start(start);
        if (process is null)
        {
            return Fail(context, "unable to start the mail system");
        }
        process.StandardInput.Close();
        // The new process says "ready" on its output and closes it; errors come before.
        var ready = Answer(process.StandardOutput.ReadLineAsync(), StartPatience, () =>
            Say(context, $"the mail system is still starting: PID: {process.Id.ToString(CultureInfo.InvariantCulture)}; see the log"));
        if (ready == "ready")
        {
            return 0;
        }
        context.Error.Write(process.StandardError.ReadToEnd());
        return Fail(context, "mail system startup failed");
    }

    /// <summary>The first line of the new process, or null when it ended: however long a recovery takes, it is not taken for a failure.</summary>
    internal static string? Answer(Task<string?> line, TimeSpan patience, Action waiting)
    {
        while (!line.Wait(patience))
        {
            waiting();
        }
        return line.Result;
    }

    /// <summary>What our caller left open (a lock, a pipe of debconf) stays with us: the mail system would hold it for ever.</summary>
    private static void KeepDescriptors()
    {
        const int closeRange = 436, onExec = 4;
        _ = Libc.syscall(closeRange, 3, unchecked((nint)uint.MaxValue), onExec, 0);
    }

    private static int StartForeground(CommandContext context, string directory, string queue, Func<string, int> serve)
    {
        if (Blocked(context, queue) is { } status)
        {
            return status;
        }
        Say(context, "starting the Postfix mail system");
        return serve(directory);
    }

    /// <summary>
    /// As process 1 of a container: the runtime collects every child of process 1 that ends, also those that master has to mind. So master is a child, which
    /// gets the signals that come here.
    /// </summary>
    private static int AsInit(string directory, bool single)
    {
        using var master = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["postfix", "-c", directory, "start-fg", .. single ? [SingleProcess] : Array.Empty<string>()]))!;
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, s => Forward(s, Libc.SIGTERM));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, s => Forward(s, Libc.SIGTERM));
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, s => Forward(s, Libc.SIGHUP));
        master.WaitForExit();
        return master.ExitCode;

        void Forward(PosixSignalContext context, int signal)
        {
            context.Cancel = true;
            _ = Libc.kill(master.Id, signal);
        }
    }

    private static int? Blocked(CommandContext context, string queue)
    {
        if (!Directory.Exists(queue))
        {
            return Fail(context, $"queue_directory {queue}: no such directory; create it, owned by the user that runs the mail system");
        }
        return MasterLock.Holder(queue) != 0 ? Fail(context, "the Postfix mail system is already running") : null;
    }

    private static int Signal(CommandContext context, string queue, int signal, string doing, bool wait)
    {
        var holder = MasterLock.Holder(queue);
        if (holder == 0)
        {
            return Fail(context, "the Postfix mail system is not running");
        }
        Say(context, $"{doing} the Postfix mail system");
        if (Libc.kill(holder, signal) < 0)
        {
            return Fail(context, $"unable to signal process {holder.ToString(CultureInfo.InvariantCulture)}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
        var started = context.Time.GetTimestamp();
        while (wait && MasterLock.Holder(queue) == holder)
        {
            if (context.Time.GetElapsedTime(started) > StopLimit)
            {
                return Fail(context, $"process {holder.ToString(CultureInfo.InvariantCulture)} did not end within {StopLimit.TotalSeconds:0} seconds");
            }
            Thread.Sleep(20);
        }
        return 0;
    }

    private static int Status(CommandContext context, string queue)
    {
        var holder = MasterLock.Holder(queue);
        if (holder == 0)
        {
            Say(context, "the Postfix mail system is not running");
            return 1;
        }
        Say(context, $"the Postfix mail system is running: PID: {holder.ToString(CultureInfo.InvariantCulture)}");
        return 0;
    }

    private static int Check(CommandContext context, ConfigLoad load, string queue)
    {
        if (!Directory.Exists(queue))
        {
            return context.Fatal($"chdir({queue}): No such file or directory");
        }
        var postconf = $"{load.Config.Get(SendmailParameters.CommandDirectory)}/postconf";
        foreach (var warning in load.Warnings)
        {
            // Postfix: names that nothing uses are postconf's to tell, which is run by its whole name.
            if (warning.StartsWith($"{load.Config.ConfigDirectory}/main.cf: ", StringComparison.Ordinal) || warning.StartsWith($"{load.Config.ConfigDirectory}/master.cf: ", StringComparison.Ordinal))
            {
                context.Error.WriteLine($"{postconf}: warning: {warning}");
            }
            else
            {
                Say(context, $"warning: {warning}");
            }
        }
        if (load.Warnings.Any(w => w.Contains(": support for parameter \"", StringComparison.Ordinal)))
        {
            context.Error.WriteLine($"{postconf}: warning: See https://www.postfix.org/DEPRECATION_README.html for details");
        }
        var permissions = new PostfixPermissions(text => Say(context, text));
        if (!permissions.Make(load.Config))
        {
            return Fail(context, "unable to create missing queue directories");
        }
        permissions.Check(load.Config);
        return 0;
    }

    /// <summary>Postfix says these through postlog, which names itself.</summary>
    private static void Say(CommandContext context, string text) => context.Error.WriteLine($"postfix/postlog: {text}");

    private static int Fail(CommandContext context, string text)
    {
        Say(context, $"fatal: {text}");
        return 1;
    }
}
