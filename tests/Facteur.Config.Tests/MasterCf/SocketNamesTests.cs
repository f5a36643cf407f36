using Facteur.Config.MasterCf;

namespace Facteur.Config.Tests.MasterCf;

public sealed class SocketNamesTests
{
    [Theory]
    [InlineData(false, "private/policy", "/queue/private/policy")]
    [InlineData(true, "private/policy", "/queue/private/policy")]
    [InlineData(false, "/private/policy", "/private/policy")]
    [InlineData(true, "/private/policy", "/queue/private/policy")]
    [InlineData(true, "/opendkim//opendkim.sock", "/queue/opendkim/opendkim.sock")]
    [InlineData(true, "/queue/private/policy", "/queue/queue/private/policy")]
    [InlineData(true, "../../run/x", "/queue/run/x")]
    [InlineData(false, "../run/x", "/queue/../run/x")]
    public void A_name_begins_at_queue_directory_and_with_chroot_never_leads_out_of_it(bool chroot, string name, string path) =>
        Assert.Equal(path, new SocketNames("/queue", chroot).Resolve(name));

    [Fact]
    public void An_entry_says_which()
    {
        var errors = new List<string>();
        var entries = MasterCfFile.Parse("master.cf", "policy unix - n y - 0 spawn\nlmtp unix - - - - - lmtp\nsmtp inet n - n - - smtpd\n").ReadEntries(errors, chrootByDefault: true);
        Assert.Empty(errors);
        Assert.Equal([true, true, false], entries.Select(e => e.Chroot));
    }
}
