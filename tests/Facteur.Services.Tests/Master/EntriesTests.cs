using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Services.Master.Roles;
using Facteur.Testing;

namespace Facteur.Services.Tests.Master;

public sealed class EntriesTests
{
    [Theory]
    [InlineData(0, -1)]
    [InlineData(1, 1000)]
    [InlineData(60, 60_000)]
    [InlineData(4_294_968, 4_233_600_000)]
    [InlineData(int.MaxValue, 4_233_600_000)]
    public void A_wakeup_time_is_one_that_a_timer_takes(int seconds, long expected)
    {
        var wakeup = Entries.Wakeup(seconds);
        Assert.Equal(expected, (long)wakeup.TotalMilliseconds);
        using var timer = new CancellationTokenSource(wakeup);
        Assert.False(timer.IsCancellationRequested);
    }

    [Theory]
    [InlineData("external", "\"a b\"@c")]
    [InlineData("Internal", "a b@c")]
    public void Logs_show_addresses_as_info_log_address_format_says(string format, string shown)
    {
        var log = Entries.LogOf(new TestLog(), new TestConfig(("info_log_address_format", format)), "qmgr");
        Assert.Equal((shown, shown), (log.Address("\"a b\"@c"), log.As("postfix/other").Address("\"a b\"@c")));
    }

    [Fact]
    public void Info_log_address_format_is_external_or_internal() =>
        Assert.Throws<ConfigException>(() => Entries.LogOf(new TestLog(), new TestConfig(("info_log_address_format", "foo")), "qmgr"));

    [Theory]
    [InlineData("qmgr unix n - n 300 1 qmgr -o qmgr_message_active_limit=7", 7)]
    [InlineData("q unix n - n 300 1 oqmgr -o qmgr_message_active_limit=7", 7)]
    [InlineData("qmgr unix - - n - - smtp -o qmgr_message_active_limit=7", 20_000)]
    public void Qmgr_is_known_by_its_program(string entry, int limit)
    {
        var directory = Directory.CreateTempSubdirectory("entries").FullName;
        File.WriteAllText($"{directory}/main.cf", "compatibility_level = 3.11\n");
        File.WriteAllText($"{directory}/master.cf", entry + "\n");
        Assert.Equal(limit, Entries.Qmgr(ConfigLoader.Load(directory)).Get(QmgrParameters.MessageActiveLimit));
        Directory.Delete(directory, recursive: true);
    }
}
