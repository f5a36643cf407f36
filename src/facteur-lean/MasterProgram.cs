using Facteur.Commands;
using Facteur.Root.Master;
using Facteur.Unix;

namespace Facteur;

/// <summary>"master [-d] -c DIR" and "launcher ...": what runs as root, started by postfix(1) and by master.</summary>
internal static class MasterProgram
{
    /// <summary>Runs until a signal ends it; with -d in the background, after "ready" on standard output.</summary>
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
        if (directory is null)
        {
            return context.Fatal("usage: master -c config_dir [-d] [-v]");
        }
        if (background)
        {
            _ = Libc.setsid();
        }
        return Master.Run(Path.GetFullPath(directory), () => Ready(background, context), context.Error, context.Time);
    }

    // Whoever started us reads our output to its end: leave the terminal and its pipes.
    private static void Ready(bool background, CommandContext context)
    {
        if (!background)
        {
            return;
        }
        context.Output.WriteLine("ready");
        context.Output.Flush();
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
