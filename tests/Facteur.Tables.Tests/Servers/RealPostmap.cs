using Facteur.Testing.Servers;

namespace Facteur.Tables.Tests.Servers;

/// <summary>Debian's postmap, where it is installed with a type, in long runs (it takes a second for an error): what it answers, we answer.</summary>
internal static class RealPostmap
{
    private const string Program = "/usr/sbin/postmap";

    /// <summary>"= value", "-" or "!"; null when it can't be asked for tables of that type.</summary>
    public static string? Ask(TestTables tables, string table, string key)
    {
        var type = table[..table.IndexOf(':', StringComparison.Ordinal)];
        if (Environment.GetEnvironmentVariable("FACTEUR_LONG") != "yes" || !File.Exists(Program) || !File.Exists($"/usr/lib/postfix/postfix-{type}.so"))
        {
            return null;
        }
        var directory = Path.Combine(tables.Directory, "postfix");
        if (!Directory.Exists(directory))
        {
            Directory.CreateDirectory(directory);
            File.WriteAllText(Path.Combine(directory, "main.cf"), "compatibility_level = 3.6\n");
            File.Copy("/etc/postfix/dynamicmaps.cf", Path.Combine(directory, "dynamicmaps.cf"));
            if (Directory.Exists("/etc/postfix/dynamicmaps.cf.d"))
            {
                Directory.CreateSymbolicLink(Path.Combine(directory, "dynamicmaps.cf.d"), "/etc/postfix/dynamicmaps.cf.d");
            }
        }
        var (status, output) = ServerProcess.Run(Program, ["-c", directory, "-q", key, table.Replace("@E@", tables.Directory)], "", new Dictionary<string, string> { ["MAIL_CONFIG"] = directory });
        // Warnings come before the answer.
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("postmap: warning", StringComparison.Ordinal)).ToArray();
        return status == 0 ? "= " + lines[0] : lines.Length == 0 ? "-" : "!";
    }

    /// <summary>We answer as expected, and as postmap does where it is.</summary>
    public static void Agrees(TestTables tables, string table, string key, string expected)
    {
        var ours = tables.Find(table, key);
        Assert.Equal(expected, ours.StartsWith('!') ? "!" : ours);
        if (Ask(tables, table, key) is { } theirs)
        {
            Assert.Equal(theirs, ours.StartsWith('!') ? "!" : ours);
        }
    }
}
