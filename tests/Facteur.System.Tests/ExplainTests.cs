using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>"facteur explain" of the built program says what its man page shows.</summary>
public sealed class ExplainTests : IDisposable
{
    private const string Etc = "/etc/postfix";

    private readonly string _etc = Directory.CreateTempSubdirectory("facteur-explain-").FullName;

    public void Dispose() => Directory.Delete(_etc, recursive: true);

    /// <summary>The files of the examples are made, and can be read by root alone: what is explained is read before root's rights are gone.</summary>
    [Fact]
    public void The_examples_of_the_man_page_are_what_is_printed()
    {
        File.WriteAllText($"{_etc}/master.cf", "smtp inet n - n - - smtpd\nlocal unix - n n - - local\nsmtp unix - - n - - smtp\n");
        var explained = 0;
        foreach (var (command, shown) in Examples())
        {
            switch (command.Split(' '))
            {
                case ["postconf", "-n"]:
                    File.WriteAllLines($"{_etc}/main.cf", ["compatibility_level = 3.11", "inet_interfaces = 127.0.0.1", .. shown]);
                    break;
                case ["cat", var path]:
                    File.WriteAllLines(path, shown);
                    Program.Run(Program.Facteur, ["postmap", "-c", _etc, $"hash:{path}"]).Fine();
                    Program.Run(Program.Need("chmod"), ["0600", .. Directory.GetFiles(_etc, Path.GetFileName(path) + "*")]).Fine();
                    break;
                case ["facteur", "explain", .. var arguments]:
                    Follows(shown, Program.Run(Program.Facteur, ["explain", "-c", _etc, .. arguments]).ToString());
                    explained++;
                    break;
                default:
                    Assert.Fail(command);
                    break;
            }
        }
        Assert.Equal(2, explained);
    }

    private IEnumerable<(string Command, List<string> Shown)> Examples()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "Facteur.slnx")))
        {
            root = root.Parent!;
        }
        var page = File.ReadAllText(Path.Combine(root.FullName, "docs", "man", "man1", "explain.md")).Replace(Etc, _etc, StringComparison.Ordinal);
        var block = page[page.IndexOf("## Examples", StringComparison.Ordinal)..].Split("```\n")[1];
        foreach (var example in ("\n" + block).Split("\n$ ", StringSplitOptions.RemoveEmptyEntries))
        {
            var lines = example.TrimEnd('\n').Split('\n');
            yield return (lines[0], [.. lines[1..]]);
        }
    }

    // "..." stands for any lines.
    private static void Follows(List<string> shown, string printed)
    {
        var at = 0;
        foreach (var part in string.Join('\n', shown).Split("...", StringSplitOptions.RemoveEmptyEntries))
        {
            at = printed.IndexOf(part.Trim('\n'), at, StringComparison.Ordinal);
            Assert.True(at >= 0, $"{part}\nis not in\n{printed}");
        }
    }
}
