using System.Text.RegularExpressions;
using Facteur.Config.Parameters;

namespace Facteur.Architecture.Tests;

/// <summary>What the documents say is held against what is there.</summary>
public sealed partial class DocumentTests
{
    private static readonly string[] Ours = ["src", "tests", "docs", "bench", "packaging", ".ci"];
    private static readonly string[] Texts = [".cs", ".md", ".csproj", ".props", ".txt", ".cf", ".smtp", ".sh", ".json", ".slnx", ".service", ""];

    // Machine paths and words of a workplace, in pieces so that this file does not find itself.
    private static readonly Regex Foreign = new(
        string.Join('|', @"(?<![\w/.$}])/(wo" + @"rk|ro" + @"ot|farm)/", @"/tmp/br" + "ief", @"\b(issue|session|round) #?[0-9]+ of (the )?wo" + "rk", @"\bwork" + @"tree\b", @"\bmy (ta" + @"sk|ro" + @"om)\b", @"\bthe le" + @"ad (merges|says|wires)\b"),
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);

    public static TheoryData<string> Guides => [.. Directory.GetFiles(House.Root, "*.md").Select(f => Path.GetFileName(f)!)];

    [Theory]
    [MemberData(nameof(Guides))]
    public void Paths_in_backticks_exist(string guide)
    {
        var missing = Code().Matches(WithoutBlocks(File.ReadAllText(Path.Combine(House.Root, guide)))).Select(m => m.Groups[1].Value)
            .Where(text => PathOfOurs().IsMatch(text) && !text.Contains("artifacts/", StringComparison.Ordinal))
            .Select(text => text.Split(' ')[0].TrimStart('.', '/'))
            .Where(path => !Path.Exists(Path.Combine(House.Root, path)) && !Path.Exists(Path.Combine(House.Root, "." + path)));
        Assert.Empty(missing.Distinct());
    }

    [Theory]
    [MemberData(nameof(Guides))]
    public void Names_of_source_files_exist(string guide)
    {
        var names = Sources().Select(Path.GetFileName).ToHashSet(StringComparer.Ordinal);
        var missing = Code().Matches(WithoutBlocks(File.ReadAllText(Path.Combine(House.Root, guide)))).Select(m => m.Groups[1].Value)
            .Where(text => FileName().IsMatch(text) && !names.Contains(text));
        Assert.Empty(missing.Distinct());
    }

    [Fact]
    public void Documents_name_documents_that_exist()
    {
        var missing =
            from file in Directory.EnumerateFiles(Path.Combine(House.Root, "docs"), "*.md", SearchOption.AllDirectories)
            from Match link in Link().Matches(File.ReadAllText(file))
            let target = link.Groups[1].Value
            where !target.Contains("://", StringComparison.Ordinal) && !Path.Exists(Path.Combine(Path.GetDirectoryName(file)!, target))
            select $"{Path.GetRelativePath(House.Root, file)}: {target}";
        Assert.Empty(missing);
    }

    [Fact]
    public void The_index_of_the_manual_names_every_page()
    {
        var man = Path.Combine(House.Root, "docs", "man");
        var index = File.ReadAllText(Path.Combine(man, "README.md"));
        var missing = Directory.EnumerateFiles(man, "*.md", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(man, f))
            .Where(page => page != "README.md" && !index.Contains($"({page})", StringComparison.Ordinal));
        Assert.Empty(missing);
    }

    [Fact]
    public void Parameters_of_manual_pages_are_rows()
    {
        var named =
            from file in Directory.EnumerateFiles(Path.Combine(House.Root, "docs", "man"), "*.md", SearchOption.AllDirectories)
            from Match name in ParameterName().Matches(Section(File.ReadAllText(file), "Configuration"))
            select (Page: Path.GetFileName(file), name.Value);
        var list = named.ToList();
        Assert.True(list.Count > 200, $"only {list.Count} parameters are named in all pages");
        Assert.Empty(list.Where(n => ParameterRegistry.Find(n.Value) is null).Select(n => $"{n.Page}: {n.Value}").Distinct());
    }

    [Fact]
    public void The_service_unit_starts_the_mail_system_again_when_it_fails()
    {
        var (section, settings) = ("", new Dictionary<string, string>(StringComparer.Ordinal));
        foreach (var line in File.ReadLines(Path.Combine(House.Root, "packaging", "systemd", "facteur.service")).Where(l => l is not ("" or ['#', ..])))
        {
            if (line is ['[', .. var name, ']'])
            {
                section = name;
                continue;
            }
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            Assert.True(equals > 0 && settings.TryAdd($"{section}.{line[..equals]}", line[(equals + 1)..]), line);
        }
        Assert.Equal("on-failure", settings["Service.Restart"]);
        Assert.Equal("notify", settings["Service.Type"]);
        var page = File.ReadAllText(Path.Combine(House.Root, "docs", "man", "man1", "postfix.md"));
        Assert.All(["Service.ExecStart", "Service.ExecReload"], key =>
        {
            Assert.StartsWith("/usr/sbin/facteur postfix ", settings[key], StringComparison.Ordinal);
            Assert.Contains($"| `{settings[key].Split(' ')[2]}` |", page, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void The_project_speaks_of_itself_alone()
    {
        var found =
            from file in Sources()
            from text in File.ReadLines(file).Select((line, i) => (Line: line, Number: i + 1))
            where Foreign.IsMatch(text.Line)
            select $"{Path.GetRelativePath(House.Root, file)}:{text.Number}: {text.Line.Trim()}";
        Assert.Empty(found);
    }

    private static IEnumerable<string> Sources() =>
        Ours.Select(folder => Path.Combine(House.Root, folder)).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(House.Root))
            .Where(file => Texts.Contains(Path.GetExtension(file)) && Path.GetFileName(file) != ".git" && !file.Contains("__pycache__", StringComparison.Ordinal));

    private static string Section(string page, string title)
    {
        var start = page.IndexOf($"\n## {title}\n", StringComparison.OrdinalIgnoreCase);
        if (start < 0)
        {
            return "";
        }
        var end = page.IndexOf("\n## ", start + 4, StringComparison.Ordinal);
        return end < 0 ? page[start..] : page[start..end];
    }

    private static string WithoutBlocks(string text) => Block().Replace(text, "");

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Code();

    [GeneratedRegex("```.*?```", RegexOptions.Singleline)]
    private static partial Regex Block();

    // A path from the root: one of our folders and what is in it, a script, a document.
    [GeneratedRegex(@"^(\./)?((src|tests|docs|bench|packaging|\.ci)(/[\w./-]+)?|run|test|build|[\w.]+\.(md|props|txt|slnx)|LICENSE)( .*)?$")]
    private static partial Regex PathOfOurs();

    [GeneratedRegex(@"^[A-Z]\w+\.cs$")]
    private static partial Regex FileName();

    [GeneratedRegex(@"\]\(([^)#]+)\)")]
    private static partial Regex Link();

    // A name with an underscore that is not a part of a longer pattern such as smtp_* or transport_….
    [GeneratedRegex(@"(?<![\w*…])[a-z0-9]+(_[a-zA-Z0-9]+)+(?![\w*…])")]
    private static partial Regex ParameterName();
}
