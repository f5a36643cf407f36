using Facteur.Spool;

namespace Facteur.Commands;

/// <summary>"facteur spool verify DIR": reads a journal directory and says what is wrong with it, while it may be in use.</summary>
public static class SpoolCommand
{
    /// <summary>Runs the command.</summary>
    /// <returns>0 when nothing is wrong, 1 when something is, 64 for wrong usage.</returns>
    public static int Run(CommandContext context)
    {
        if (context.Arguments is not ["verify", var directory])
        {
            context.Error.WriteLine("usage: facteur spool verify DIR\nDIR is queue_directory, or the journal directory in it.");
            return 64;
        }
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
