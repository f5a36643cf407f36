using System.Text;
using System.Text.RegularExpressions;

namespace Facteur.Commands.Tests;

/// <summary>
/// What release 3.11.6 printed for real sites' files, where a folder of such recordings is at hand: FACTEUR_POSTCONF_ORACLE names it.
/// Each site has main.cf, master.cf and out-X, err-X, rc-X for the options X.
/// </summary>
public sealed partial class PostconfOracleTests
{
    private static readonly (string Recording, string[] Options)[] Runs =
    [
        ("n", ["-n"]), ("nf", ["-nf"]), ("xn", ["-xn"]), ("M", ["-M"]), ("Mf", ["-Mf"]), ("P", ["-P"]), ("F", ["-F"]), ("nj", ["-nj"]),
    ];

    private const string RecordedNetworks = "127.0.0.0/8 192.0.2.0/24 [::1]/128 [fd00::]/64 [fe80::]/64";

    private static readonly string OwnNetworks = Own("mynetworks");
    private static readonly string OwnName = Own("myhostname");

    [Fact]
    public void Every_site_prints_what_the_recordings_say()
    {
        var folder = Environment.GetEnvironmentVariable("FACTEUR_POSTCONF_ORACLE");
        if (folder is null)
        {
            Assert.Skip("needs recordings: set FACTEUR_POSTCONF_ORACLE");
        }
        var (compared, differences) = (0, new StringBuilder());
        foreach (var site in Directory.GetDirectories(folder).Order())
        {
            foreach (var (recording, options) in Runs.Where(r => File.Exists($"{site}/out-{r.Recording}")))
            {
                var (status, output, error) = CommandRun.Postconf(["-c", site, .. options]);
                compared++;
                Compare(differences, $"{site} {options[0]} status", File.ReadAllText($"{site}/rc-{recording}").Trim(), $"{status}");
                Compare(differences, $"{site} {options[0]}", Lines(site, $"{site}/out-{recording}"), Lines(output));
                Compare(differences, $"{site} {options[0]} errors", Unordered(Lines(site, $"{site}/err-{recording}")), Unordered(Lines(error)));
            }
        }
        Assert.True(differences.Length == 0, $"{compared} runs\n{differences}");
        Assert.True(compared > 0);
    }

    /// <summary>The defaults of release 3.11.6, where its "postconf -d" is at hand: FACTEUR_POSTCONF_DEFAULTS names the file.</summary>
    [Fact]
    public void Defaults_are_what_the_recording_says()
    {
        var file = Environment.GetEnvironmentVariable("FACTEUR_POSTCONF_DEFAULTS");
        if (file is null)
        {
            Assert.Skip("needs a recording: set FACTEUR_POSTCONF_DEFAULTS");
        }
        var directory = Directory.CreateTempSubdirectory("facteur-postconf-").FullName;
        File.WriteAllText($"{directory}/main.cf", "");
        File.WriteAllLines($"{directory}/master.cf", ((string[])["error", "lmtp", "local", "relay smtp", "retry error", "smtp", "virtual"]).Select(t => $"{t.Split(' ')[0]} unix - - n - - {t.Split(' ')[^1]}"));
        var output = CommandRun.Postconf("-c", directory, "-d").Output;
        Directory.Delete(directory, recursive: true);
        // The host's name, networks and processes, the product's name, and what the recorded build had no library for.
        string[] own = ["myhostname", "mydomain", "mynetworks", "process_id", "mail_name", "smtputf8_enable"];
        IEnumerable<string> Compared(string text) => text.TrimEnd().Split('\n').Where(line => !own.Contains(line.Split(' ')[0]));
        Assert.Equal(Compared(File.ReadAllText(file)), Compared(output));
    }

    private static string Own(string name)
    {
        var directory = Directory.CreateTempSubdirectory("facteur-postconf-").FullName;
        File.WriteAllText($"{directory}/main.cf", "");
        var value = CommandRun.Postconf("-c", directory, "-h", name).Output.Trim();
        Directory.Delete(directory, recursive: true);
        return value;
    }

    private static string Lines(string site, string file) => Lines(File.ReadAllText(file).Replace("@CONFIG_DIRECTORY@", site, StringComparison.Ordinal));

    // Facts of the machine that made the recordings: its name and networks, where the files lay (and so where a line that names the place is folded), and a process id; and
    // the product's name. All else counts, byte for byte.
    private static string Lines(string text) => string.Join('\n', ProcessId().Replace(
        text.Replace(RecordedNetworks, "NETWORKS", StringComparison.Ordinal).Replace(OwnNetworks, "NETWORKS", StringComparison.Ordinal)
            .Replace("vm.localdomain", "HOST", StringComparison.Ordinal).Replace(OwnName, "HOST", StringComparison.Ordinal)
            .Replace(" Facteur", " Postfix", StringComparison.Ordinal)
            .Replace("config_directory =\n    ", "config_directory = ", StringComparison.Ordinal).TrimEnd(),
        "$1ID").Split('\n').Where(line => !line.StartsWith("config_directory = ", StringComparison.Ordinal) && !line.StartsWith("{\"config_directory\"", StringComparison.Ordinal)));

    [GeneratedRegex(@"(?<=^debugger_command = .*)(postconf[ .])\d+", RegexOptions.Multiline)]
    private static partial Regex ProcessId();

    // Postfix walks hash tables: its warnings come in any order, some several times.
    private static string Unordered(string text) => string.Join('\n', text.Split('\n').Distinct().Order(StringComparer.Ordinal));

    private static void Compare(StringBuilder differences, string what, string expected, string actual)
    {
        if (expected == actual)
        {
            return;
        }
        var (before, after) = (expected.Split('\n'), actual.Split('\n'));
        differences.Append("== ").AppendLine(what);
        foreach (var line in before.Except(after).Take(5))
        {
            differences.Append("  - ").AppendLine(line);
        }
        foreach (var line in after.Except(before).Take(5))
        {
            differences.Append("  + ").AppendLine(line);
        }
    }
}
