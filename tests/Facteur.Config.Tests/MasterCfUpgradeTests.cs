using Facteur.Config.MasterCf;

namespace Facteur.Config.Tests;

/// <summary>An old master.cf becomes what Postfix's own upgrade makes of it.</summary>
public sealed class MasterCfUpgradeTests
{
    private const string Current = """
        # the shipped one
        smtp      inet  n       -       n       -       -       smtpd
        #smtp      inet  n       -       n       -       1       postscreen
        #smtpd     pass  -       -       n       -       -       smtpd
        #dnsblog   unix  -       -       n       -       0       dnsblog
        #tlsproxy  unix  -       -       n       -       0       tlsproxy
        pickup    unix  n       -       n       60      1       pickup
        cleanup   unix  n       -       n       -       0       cleanup
        tlsmgr    unix  -       -       n       1000?   1       tlsmgr
        trace     unix  -       -       n       -       0       bounce
        verify    unix  -       -       n       -       1       verify
        flush     unix  n       -       n       1000?   0       flush
        proxymap  unix  -       -       n       -       -       proxymap
        proxywrite unix -       -       n       -       1       proxymap
        relay     unix  -       -       n       -       -       smtp
          -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
        retry     unix  -       -       n       -       -       error
        discard   unix  -       -       n       -       -       discard
        anvil     unix  -       -       n       -       1       anvil
        scache    unix  -       -       n       -       1       scache
        postlog   unix-dgram n  -       n       -       1       postlogd

        """;

    [Fact]
    public void A_current_file_stays()
    {
        Assert.Same(Current, MasterCfUpgrade.Apply(Current, out var done));
        Assert.Empty(done);
    }

    [Theory]
    [InlineData("#tlsproxy", "adding missing entry for tlsproxy unix-domain service")]
    [InlineData("#dnsblog", "adding missing entry for dnsblog unix-domain service")]
    [InlineData("#smtpd", "adding missing entry for smtpd unix-domain service")]
    [InlineData("#smtp ", "adding missing entry for postscreen TCP service")]
    [InlineData("tlsmgr", "adding missing entry for tlsmgr service")]
    [InlineData("trace", "adding missing entry for trace service")]
    [InlineData("verify", "adding missing entry for verify service")]
    [InlineData("proxymap", "adding missing entry for proxymap service")]
    [InlineData("proxywrite", "adding missing entry for proxywrite service")]
    [InlineData("retry", "adding missing entry for retry service")]
    [InlineData("discard", "adding missing entry for discard service")]
    [InlineData("anvil", "adding missing entry for anvil service")]
    [InlineData("scache", "adding missing entry for scache service")]
    [InlineData("postlog", "adding missing entry for postlog unix-domain datagram service")]
    public void What_is_missing_is_added_at_the_end(string name, string expected)
    {
        var lines = Current.Split('\n');
        var entry = Assert.Single(lines, l => l.StartsWith(name, StringComparison.Ordinal));
        var old = string.Join('\n', lines.Where(l => l != entry));
        var upgraded = MasterCfUpgrade.Apply(old, out var done);
        Assert.Equal(expected, Assert.Single(done));
        Assert.Equal(old + entry + "\n", upgraded);
        Assert.Same(upgraded, MasterCfUpgrade.Apply(upgraded, out done));
        Assert.Empty(done);
    }

    [Theory]
    [InlineData("verify    unix  -       -       n       -       1       verify", "verify\tunix  -       -       n       0       0\tverify -v", "verify\tunix  -       -       n       0       1\tverify -v", "setting verify process limit to 1")]
    [InlineData("pickup    unix  n       -       n       60      1       pickup", "pickup    fifo  n n n 60 1 pickup", "pickup    fifo  n - n 60 1 pickup", "making the pickup service unprivileged")]
    [InlineData("cleanup   unix  n       -       n       -       0       cleanup", "cleanup   unix  -       -       n       -       0       cleanup", "cleanup   unix  n       -       n       -       0       cleanup", "making the cleanup service public")]
    [InlineData("flush     unix  n       -       n       1000?   0       flush", "flush     unix  y       -       n       1000?   0       flush", "flush     unix  n       -       n       1000?   0       flush", "making the flush service public")]
    [InlineData("tlsmgr    unix  -       -       n       1000?   1       tlsmgr", "tlsmgr    fifo  -       -       n       300     1       tlsmgr", "tlsmgr    unix  -       -       n       300?     1       tlsmgr", "updating the tlsmgr from fifo to unix service")]
    [InlineData("proxywrite unix -       -       n       -       1       proxymap", "proxywrite unix -       -       n       -       -       proxymap", "proxywrite unix -       -       n       -       1       proxymap", "setting proxywrite process limit to 1")]
    public void What_has_changed_is_changed_in_its_place(string current, string old, string expected, string words)
    {
        var text = Current.Replace(current, old, StringComparison.Ordinal);
        Assert.NotEqual(Current, text);
        Assert.Equal(Current.Replace(current, expected, StringComparison.Ordinal), MasterCfUpgrade.Apply(text, out var done));
        Assert.Equal(words, Assert.Single(done));
    }

    [Fact]
    public void A_file_without_a_last_line_end_and_one_with_nothing()
    {
        var upgraded = MasterCfUpgrade.Apply("smtp inet n - n - - smtpd", out var done);
        Assert.StartsWith("smtp inet n - n - - smtpd\nrelay     unix", upgraded, StringComparison.Ordinal);
        Assert.Equal(17, done.Count);
        // Postfix adds it as it once was, and sets it right in the next step.
        Assert.Contains("\nflush     unix  n       -       n       1000?   0       flush\n", upgraded, StringComparison.Ordinal);
        Assert.Empty(MasterCfFile.Parse("master.cf", MasterCfUpgrade.Apply("", out done)).Errors);
        Assert.Equal(17, done.Count);
    }
}
