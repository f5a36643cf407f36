using Facteur.Commands;
using Facteur.Root.Master;
using Facteur.Unix;

namespace Facteur;

/// <summary>"master [-d] [-c DIR]": what runs as root, started by postfix(1).</summary>
internal static class MasterProgram
{
    /// <summary>Runs until a signal ends it; with -d in the background, after "ready" on standard output.</summary>
    public static int Run(CommandContext context)
    {
        if (MasterOptions.Read(context, context.Arguments) is not { } options)
        {
            return 1;
        }
        if (options.Background)
        {
            Background.Enter();
        }
        return Master.Run(options.Directory, () => Ready(options, context), context.Error, context.Time);
    }

    private static void Ready(MasterOptions options, CommandContext context)
    {
        if (options.Background)
        {
            Background.Ready(context.Output);
        }
    }
}
