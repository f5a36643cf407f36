using Facteur.Config;
using Facteur.Spool;

namespace Facteur.Commands;

/// <summary>
/// "facteur spool": "verify DIR" reads a journal and says what is wrong with it, while it may be in use; "export DIR" and "import DIR" move all mail
/// between the journal and a Postfix queue directory while no mail system runs.
/// </summary>
public static class SpoolCommand
{
    private const string Usage = """
        usage: facteur spool verify DIR
               facteur spool export [-c config_dir] DIR
               facteur spool import [-c config_dir] DIR
        verify: DIR is queue_directory, or the journal directory in it. export, import: DIR is the queue_directory of a Postfix; import also takes a Facteur's.
        """;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="open">Opens the journal in a queue directory; its files stay their owner's.</param>
    /// <returns>0 when nothing is wrong and all was moved, 1 when not, 64 for wrong usage.</returns>
    public static int Run(CommandContext context, Func<IConfig, string, ISpool> open)
    {
        if (context.Arguments is ["verify", var directory])
        {
            return Verify(context, directory);
        }
        if (context.Arguments is not ["export" or "import", ..])
        {
            return WrongUsage(context);
        }
        var options = new GetOpt([.. context.Arguments.Skip(1)], "c:");
        string? config = null;
        while (options.Next())
        {
            if (options.Option != 'c')
            {
                return WrongUsage(context);
            }
            config = options.Argument;
        }
        return options.Operands is [var place] ? new SpoolMove(context, open).Run(context.Arguments[0], config, place) : WrongUsage(context);
    }

    private static int WrongUsage(CommandContext context)
    {
        context.Error.WriteLine(Usage);
        return 64;
    }

    private static int Verify(CommandContext context, string directory)
    {
        if (Directory.Exists(Path.Combine(directory, "journal")))
        {
            directory = Path.Combine(directory, "journal");
        }
        if (!Directory.Exists(directory))
        {
            return context.Fatal($"{directory}: no such directory");
        }
        var report = SpoolVerify.Run(directory, new UnixDisk());
        foreach (var finding in report.Findings)
        {
            context.Output.WriteLine(finding);
        }
        context.Output.WriteLine($"{report.Messages} messages, {report.Segments} segments, {report.ContentBytes} bytes of content, {report.Findings.Count} findings");
        return report.Findings.Count == 0 ? 0 : 1;
    }
}
