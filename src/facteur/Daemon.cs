using System.Runtime.InteropServices;
using Facteur.Commands;
using Facteur.Config;
using Facteur.Services.Master;
using Facteur.Services.Master.Roles;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur;

/// <summary>The mail system as a process: signals, readiness, end. SIGTERM and SIGINT stop it, SIGHUP reloads it.</summary>
internal static class Daemon
{
    /// <summary>"master [-d] [-c DIR] [--single-process]": with -d in the background, after "ready" on standard output.</summary>
    public static int Run(CommandContext context)
    {
        return MasterOptions.Read(context, [.. context.Arguments.Where(a => a != Postfix.SingleProcess)]) is { } options
            ? Run(options.Directory, options.Background, context.Arguments.Contains(Postfix.SingleProcess), context) : 1;
    }

    /// <summary>Runs until a signal ends it: a process per role, or all in this one.</summary>
    public static int Run(string directory, bool background, bool single, CommandContext context)
    {
        if (single)
        {
            return Run(directory, background, context);
        }
        if (background)
        {
            Background.Enter();
        }
        else if (LeanProgram() is { } lean)
        {
            // What stays root is the small program.
            var errno = ChildProcess.Become(lean, [lean, "master", "-c", directory], [.. context.Environment.Select(v => $"{v.Key}={v.Value}")]);
            return context.Fatal($"{lean}: {Errno.Text(errno)}");
        }
        return Root.Master.Master.Run(directory, () => Ready(background, context), context.Error, context.Time);
    }

    private static string? LeanProgram()
    {
        var lean = Path.Combine(Path.GetDirectoryName(Environment.ProcessPath)!, "facteur-lean");
        return lean != Environment.ProcessPath && File.Exists(lean) ? lean : null;
    }

    /// <summary>"role NAME -c DIR": a role, started by master, who talks to it over descriptor 3.</summary>
    public static int Role(CommandContext context)
    {
        const int control = 3;
        return context.Arguments is [var name, "-c", var directory, "--build", var build, ..]
            ? RoleProcess.Run(name, directory, build, control, context.Arguments.Contains("--parent"), context.Time) : context.Fatal("usage: role name -c config_dir --build id (started by master only)");
    }

    /// <summary>"plan -c DIR": what master must do for a configuration.</summary>
    public static int Plan(CommandContext context)
    {
        // "--user": master gives the roles other identities than its own.
        if (context.Arguments is not ["-c", var directory, ..])
        {
            return context.Fatal("usage: plan -c config_dir [--start] [--user]");
        }
        var load = Load(directory, context.Arguments.Contains("--user"));
        RolePlan.Write(context.Arguments.Contains("--start") ? load.WithoutBroken() : load, context.Output, context.Time);
        return 0;
    }

    /// <summary>Runs until a signal ends it.</summary>
    private static int Run(string directory, bool background, CommandContext context)
    {
        using var stop = new ManualResetEventSlim();
        var reload = 0;
        // Kept in variables: a registration that is collected no longer catches its signal.
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            Interlocked.Increment(ref reload);
            stop.Set();
        });
        var ended = false;
        var status = 0;
        void Failed()
        {
            status = 1;
            ended = true;
            stop.Set();
        }
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            ended = true;
            stop.Set();
        }

        if (background)
        {
            Background.Enter();
        }
        var load = Load(directory, Libc.geteuid() == 0).WithoutBroken();
        if (load.Errors.Count > 0)
        {
            return context.Fatal(load.Errors[0]);
        }
        var tag = $"{load.Config.Find("syslog_name")}/master";
        MailLog? log = null;
        MailSystem system;
        try
        {
            log = MailLog.Open(load.Config, context.Time);
            system = MailSystem.StartAsync(load, log, context.Time, Failed).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ConfigException or IOException or UnauthorizedAccessException)
        {
            log?.Write(tag, Contracts.LogLevel.Fatal, e.Message);
            log?.Dispose();
            return context.Fatal(e.Message);
        }
        Ready(background, context);
        ServiceNotice.Send("READY=1");
        while (!ended)
        {
            stop.Wait();
            stop.Reset();
            if (Interlocked.Exchange(ref reload, 0) > 0 && !ended)
            {
                Reload(directory, system, log, tag, context);
            }
        }
        ServiceNotice.Send("STOPPING=1");
        system.DisposeAsync().AsTask().GetAwaiter().GetResult();
        log.Dispose();
        return status;
    }

    /// <summary>The configuration; accounts that must not be used are errors of it.</summary>
    private static ConfigLoad Load(string directory, bool asRoot, long generation = 0)
    {
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = "master", Generation = generation });
        return PostfixAccounts.Refusal(load.Config, asRoot) is { } refusal ? load with { Errors = [.. load.Errors, refusal] } : load;
    }

    private static void Reload(string directory, MailSystem system, MailLog log, string tag, CommandContext context)
    {
        ServiceNotice.Send("RELOADING=1");
        try
        {
            log.Reopen();
            system.ReloadAsync(Load(directory, Libc.geteuid() == 0, context.Time.GetTimestamp())).GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            // Whatever a reload meets, mail goes on as it did before.
            log.Write(tag, Contracts.LogLevel.Error, $"reload: {e}");
        }
        ServiceNotice.Send("READY=1");
    }

    private static void Ready(bool background, CommandContext context)
    {
        if (background)
        {
            Background.Ready(context.Output);
        }
    }
}
