using System.Text.RegularExpressions;

namespace Facteur.Architecture.Tests;

/// <summary>Who may know whom, and what things are called.</summary>
public sealed partial class RuleTests
{
    private static readonly string[] SocketTypes = ["Socket", "TcpClient", "TcpListener", "UdpClient", "NetworkStream", "UnixDomainSocketEndPoint", "SafeSocketHandle"];

    [Theory]
    [InlineData("Mail", "")]
    [InlineData("Unix", "")]
    [InlineData("Config", "")]
    [InlineData("Contracts", "Mail")]
    [InlineData("Spool", "Mail Unix")]
    [InlineData("Net", "Mail Unix")]
    [InlineData("Tables", "Config Mail Net Unix")]
    [InlineData("Services", "Config Contracts Mail Net Spool Tables Unix")]
    [InlineData("Root", "Unix")]
    [InlineData("Commands", "Config Contracts Mail Net Spool Tables Unix")]
    public void Projects_know_only_whom_they_may(string library, string may) =>
        Assert.Equal(may.Split(' ', StringSplitOptions.RemoveEmptyEntries), House.References(library).Order(StringComparer.Ordinal));

    /// <summary>docs/security.md: what runs as root is little, and all of it is in one place.</summary>
    [Fact]
    public void Code_that_runs_as_root_is_little()
    {
        var lines = Directory.EnumerateFiles(Path.Combine(House.Root, "src", "Facteur.Root"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).ToDictionary(f => $"`{Path.GetRelativePath(House.Root, f)}`", f => File.ReadLines(f).Count());
        Assert.InRange(lines.Values.Sum(), 100, 2500);
        var page = File.ReadAllText(Path.Combine(House.Root, "docs", "security.md"));
        var told = TableRow().Matches(page).Select(row => (row.Groups[1].Value, row.Groups[2].Value));
        Assert.Equal(lines.Append(new("all", lines.Values.Sum())).Select(l => (l.Key, $"{l.Value}")).Order(), told.Order());
        // And what it calls: by the types of Facteur.Unix that the assembly names.
        using var root = House.Read("Root");
        var used = House.Uses(root).Select(use => House.Outermost(use.Used)).Where(type => type.Namespace == "Facteur.Unix").Select(type => $"`{type.Name}`").Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(string.Join(", ", used), Uses().Match(page).Groups[1].Value);
    }

    [Fact]
    public void Services_do_not_know_each_other()
    {
        using var services = House.Read("Services");
        var wrong =
            from use in House.Uses(services)
            let user = Service(House.Outermost(use.Type).Namespace)
            let used = Service(House.Outermost(use.Used).Namespace)
            where user is not null && used is not null && user != used
            select $"{user}: {House.Outermost(use.Type).Name} uses {House.Outermost(use.Used).FullName}";
        Assert.Empty(wrong.Distinct());
    }

    [Fact]
    public void Sockets_are_only_in_Net()
    {
        foreach (var library in House.Libraries.Where(l => l != "Net"))
        {
            using var assembly = House.Read(library);
            var wrong = House.Uses(assembly).Where(u => u.Used.Namespace == "System.Net.Sockets" && SocketTypes.Contains(u.Used.Name))
                .Select(u => $"{House.Outermost(u.Type).FullName} uses {u.Used.Name}");
            Assert.Empty(wrong.Distinct());
        }
    }

    [Fact]
    public void Libc_is_declared_only_in_Unix()
    {
        foreach (var library in House.Libraries.Where(l => l != "Unix"))
        {
            using var assembly = House.Read(library);
            var wrong = assembly.MainModule.GetTypes().SelectMany(t => t.Methods)
                .Where(m => m.IsPInvokeImpl && m.PInvokeInfo?.Module.Name == "libc").Select(m => m.FullName);
            Assert.Empty(wrong);
        }
    }

    [Fact]
    public void Names_say_what_things_are()
    {
        foreach (var library in House.Libraries)
        {
            using var assembly = House.Read(library);
            var wrong = assembly.MainModule.Types.Where(t => Vague().IsMatch(t.Name) || t.Namespace.Split('.').Any(s => VagueRoom().IsMatch(s))).Select(t => t.FullName);
            Assert.Empty(wrong);
        }
    }

    [Fact]
    public void Every_service_and_command_has_a_manual_page()
    {
        using var services = House.Read("Services");
        using var commands = House.Read("Commands");
        var missing = services.MainModule.Types.Select(t => Service(t.Namespace)).OfType<string>().Distinct().Select(s => ("man8", s[(s.LastIndexOf('.') + 1)..]))
            .Concat(commands.MainModule.Types.Where(t => t.IsPublic && t.Methods.Any(m => m.Name == "Run" && m.IsStatic && m.Parameters is [{ ParameterType.Name: "CommandContext" }, ..]))
                .Select(t => ("man1", t.Name)))
            .Select(page => $"docs/man/{page.Item1}/{PageName(page.Item2)}.md")
            .Where(path => !File.Exists(Path.Combine(House.Root, path)));
        Assert.Empty(missing);
    }

    // Facteur.Services.Area.Service…; what lies in an area itself is shared by its services, Server by all; Master wires them all.
    private static string? Service(string space) =>
        space.Split('.') is ["Facteur", "Services", not ("Server" or "Master") and var area, var service, ..] ? $"{area}.{service}" : null;

    // TrivialRewrite is trivial-rewrite; SpoolCommand is "facteur spool", whose own name would be the library's.
    private static string PageName(string name) =>
        InnerCapital().Replace(name.EndsWith("Command", StringComparison.Ordinal) ? name[..^"Command".Length] : name, "-$0").ToLowerInvariant();

    [GeneratedRegex(@"^\| (`src/Facteur\.Root/[^`]+\.cs`|all) \| ([0-9]+) \|$", RegexOptions.Multiline)]
    private static partial Regex TableRow();

    [GeneratedRegex(@"^Of `src/Facteur\.Unix` it uses (.*)\.$", RegexOptions.Multiline)]
    private static partial Regex Uses();

    [GeneratedRegex("(?<=[a-z])[A-Z]")]
    private static partial Regex InnerCapital();

    [GeneratedRegex("(Manager|Helpers?|Utils?|Utilities|Misc)$")]
    private static partial Regex Vague();

    [GeneratedRegex("^(Common|Helpers?|Utils?|Utilities|Misc|Managers?)$")]
    private static partial Regex VagueRoom();
}
