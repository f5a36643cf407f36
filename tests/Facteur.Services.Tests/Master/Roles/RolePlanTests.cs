using Facteur.Config;
using Facteur.Services.Master.Roles;

namespace Facteur.Services.Tests.Master.Roles;

/// <summary>What master is asked for, by a configuration.</summary>
public sealed class RolePlanTests
{
    [Fact]
    public void Files_that_a_database_s_parameters_name_are_readable()
    {
        var directory = Directory.CreateTempSubdirectory("facteur-plan-");
        try
        {
            File.WriteAllText(Path.Combine(directory.FullName, "main.cf"), $"virtual_alias_maps = proxy:sqlite:{directory}/mail.cf, texthash:{directory}/other.cf\n");
            File.WriteAllText(Path.Combine(directory.FullName, "master.cf"), "");
            File.WriteAllText(Path.Combine(directory.FullName, "mail.cf"), "dbpath = /var/lib/addresses/mail.db\nquery = SELECT 1\n");
            File.WriteAllText(Path.Combine(directory.FullName, "other.cf"), "dbpath /var/lib/elsewhere/mail.db\n");
            var plan = new StringWriter();
            RolePlan.Write(ConfigLoader.Load(directory.FullName, new LoadOptions { ProcessName = "master" }), plan, TimeProvider.System);
            var lines = plan.ToString().Split('\n');
            Assert.Contains("read\t/var/lib/addresses", lines);
            Assert.Contains($"secret\t{directory}/mail.cf", lines);
            Assert.DoesNotContain("secret\t/var/lib/addresses/mail.db", lines);
            Assert.DoesNotContain("read\t/var/lib/elsewhere", lines);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
