using System.Runtime.InteropServices;
using Facteur.Commands;
using Facteur.Config;
using Facteur.Services.Master;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur;

/// <summary>The mail system as a process: signals, readiness, end. SIGTERM and SIGINT stop it, SIGHUP reloads it.</summary>
internal static class Daemon
{
    /// <summary>"master [-d] -c DIR": with -d in the background, after "ready" on standard output.</summary>
    public static int Run(CommandContext context)
    {
        string? directory = null;
        var background = false;
        var options = new GetOpt(context.Arguments, "c:dv");
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 'd':
                    background = true;
                    break;
                case 'v':
                    break;
                default:
                    return context.Fatal("usage: master [-c config_dir] [-d] [-v]");
            }
        }
        return Run(ConfigLoader.FindDirectory(directory, context.Environment), background, context);
    }

    /// <summary>Runs until a signal ends it.</summary>
    public static int Run(string directory, bool background, CommandContext context)
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
            _ = Libc.setsid();
        }
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = "master" });
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
        if (background)
        {
            context.Output.WriteLine("ready");
            context.Output.Flush();
            Detach();
        }
        while (!ended)
        {
            stop.Wait();
            stop.Reset();
            if (Interlocked.Exchange(ref reload, 0) > 0 && !ended)
            {
                Reload(directory, system, log, tag, context);
            }
        }
        system.DisposeAsync().AsTask().GetAwaiter().GetResult();
        log.Dispose();
        return status;
    }

    private static void Reload(string directory, MailSystem system, MailLog log, string tag, CommandContext context)
    {
        try
        {
            log.Reopen();
            system.ReloadAsync(ConfigLoader.Load(directory, new LoadOptions { ProcessName = "master", Generation = context.Time.GetTimestamp() })).GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            // Whatever a reload meets, mail goes on as it did before.
            log.Write(tag, Contracts.LogLevel.Error, $"reload: {e}");
        }
    }

    /// <summary>Whoever started us reads our output to its end: leave the terminal and its pipes.</summary>
    private static void Detach()
    {
        var none = Libc.open("/dev/null", Libc.O_RDWR, 0);
        for (var fd = 0; fd <= 2 && none >= 0; fd++)
        {
            _ = Libc.dup2(none, fd);
        }
        if (none > 2)
        {
            _ = Libc.close(none);
        }
    }
}
