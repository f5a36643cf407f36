using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Unix;

namespace Facteur.Commands.Check;

/// <summary>master.cf: programs of pipe and spawn that are not there, services that hide others.</summary>
internal static class ServiceCheck
{
    /// <param name="load">The configuration.</param>
    /// <param name="places">Where settings stand.</param>
    /// <param name="findings">Takes what is found.</param>
    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        foreach (var entry in load.Entries)
        {
            var place = (places.MasterPath, entry.Line);
            if (entry.Command is "pipe" or "spawn")
            {
                Program(entry, place, findings);
            }
        }
        foreach (var twice in places.Master.Lines.GroupBy(l => (l.Name, l.Type)).Where(g => g.Count() > 1))
        {
            foreach (var hidden in twice.SkipLast(1))
            {
                findings.Add(FindingLevel.Warning, (places.MasterPath, hidden.Line), $"service {hidden.Name}/{hidden.Type} is replaced by that of line {twice.Last().Line}");
            }
        }
        if (load.Entries.Count > 0)
        {
            TransportCheck.Run(load, places, findings);
        }
    }

    private static void Program(MasterEntry entry, (string File, int Line) place, Findings findings)
    {
        // Distributions ship entries for programs that are not installed: a warning.
        var what = $"service {entry.Name}/{entry.TypeName}";
        if (entry.Arguments.FirstOrDefault(a => a.StartsWith("argv=", StringComparison.Ordinal)) is not { Length: > 5 } argv)
        {
            findings.Add(FindingLevel.Error, place, $"{what}: no argv=: expected argv=/path/of/program and its arguments");
        }
        else if (argv["argv=".Length..] is ['/', ..] program && !File.Exists(program))
        {
            findings.Add(FindingLevel.Warning, place, $"{what}: argv={program}: No such file or directory");
        }
        if (entry.Arguments.FirstOrDefault(a => a.StartsWith("user=", StringComparison.Ordinal)) is { Length: > 5 } user)
        {
            var names = user["user=".Length..].Split(':');
            if (!uint.TryParse(names[0], out _) && UserAccount.Find(names[0], out var account) == 0 && account is null)
            {
                findings.Add(FindingLevel.Warning, place, $"{what}: {user}: unknown user name");
            }
            if (names.Length > 1 && !uint.TryParse(names[1], out _) && GroupAccount.Find(names[1]) is null)
            {
                findings.Add(FindingLevel.Warning, place, $"{what}: {user}: unknown group name");
            }
        }
    }
}
