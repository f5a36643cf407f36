namespace Facteur.Commands.Tests;

public sealed class ImportedEnvironmentTests
{
    [Fact]
    public void Only_what_is_named_is_kept()
    {
        var starter = new Dictionary<string, string> { ["TZ"] = "UTC", ["LD_PRELOAD"] = "x", ["LANG"] = "de", ["DOTNET_ROOT"] = "/d" };
        var kept = ImportedEnvironment.Of("MAIL_CONFIG TZ, LANG=C { A = b c }", starter);
        Assert.Equal(["A=b c", "DOTNET_ROOT=/d", "LANG=C", "TZ=UTC"], kept.Select(p => $"{p.Key}={p.Value}").Order(StringComparer.Ordinal));
    }
}
