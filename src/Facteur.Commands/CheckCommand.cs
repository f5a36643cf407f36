using Facteur.Commands.Check;
using Facteur.Config;

namespace Facteur.Commands;

/// <summary>"facteur check": everything that is wrong with a configuration, at once.</summary>
public static class CheckCommand
{
    private const int WrongUsage = 64;

    /// <summary>Checks and prints, a line each.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="services">Asks the services what they refuse or warn of when they are made, and whether strangers may relay, by listener; called last: after it the process may be another user's.</param>
    /// <returns>0 when there is nothing worse than notes, 1 otherwise, 64 for wrong usage.</returns>
    public static int Run(CommandContext context, Func<ConfigLoad, IEnumerable<Finding>> services)
    {
        string? directory = null;
        var options = new GetOpt(context.Arguments, "c:");
        while (options.Next())
        {
            if (options.Option != 'c')
            {
                context.Error.WriteLine($"facteur check: {options.Error}");
                return Usage(context);
            }
            directory = options.Argument;
        }
        if (options.Operands.Count > 0)
        {
            return Usage(context);
        }
        directory = Path.GetFullPath(ConfigLoader.FindDirectory(directory, context.Environment));
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = "check" });
        var (places, findings) = (new SettingPlaces(directory), new Findings());
        NameCheck.Run(load, places, findings);
        new AccountCheck(load, places, findings).Run();
        InterfaceCheck.Run(load, places, findings);
        ValueCheck.Run(load, places, findings);
        DomainCheck.Run(load, places, findings);
        new TableCheck(load, places, findings, context.Time).Run();
        new CertificateCheck(load, places, findings, context.Time).Run();
        ServiceCheck.Run(load, places, findings);
        foreach (var finding in services(load))
        {
            findings.Add(finding.Level, (finding.File, finding.Line), finding.Text);
        }
        var worst = FindingLevel.Note;
        foreach (var finding in findings.Sorted(places))
        {
            context.Output.WriteLine(finding);
            worst = finding.Level > worst ? finding.Level : worst;
        }
        return worst > FindingLevel.Note ? 1 : 0;
    }

    private static int Usage(CommandContext context)
    {
        context.Error.WriteLine("usage: facteur check [-c config_dir]");
        return WrongUsage;
    }
}
