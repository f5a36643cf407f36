using Facteur.Contracts;
using Facteur.Services.Support.Anvil;
using Facteur.Testing;
using Facteur.Testing.World;

namespace Facteur.Services.Tests.Support.Anvil;

public sealed class AnvilTests
{
    private readonly WorldTime _time = new();
    private readonly TestLog _log = new();

    [Fact]
    public void The_highest_counts_are_logged_once_in_a_while()
    {
        using var anvil = Make(("anvil_status_update_time", "300s"));
        anvil.Connect("smtp:192.0.2.1");
        anvil.Connect("smtp:192.0.2.1");
        anvil.Disconnect("smtp:192.0.2.1");
        anvil.Connect("smtp:192.0.2.1");
        anvil.Connect("smtp:192.0.2.2");
        anvil.Mail("smtp:192.0.2.2");
        _time.Advance(TimeSpan.FromSeconds(2));
        anvil.Recipient("smtp:192.0.2.2");
        anvil.Recipient("smtp:192.0.2.2");
        _time.Advance(TimeSpan.FromSeconds(300));
        Assert.Equal(
            [
                "postfix/anvil: statistics: max connection rate 3/60s for (smtp:192.0.2.1) at Nov 22 16:00:00",
                "postfix/anvil: statistics: max connection count 2 for (smtp:192.0.2.1) at Nov 22 16:00:00",
                "postfix/anvil: statistics: max message rate 1/60s for (smtp:192.0.2.2) at Nov 22 16:00:00",
                "postfix/anvil: statistics: max recipient rate 2/60s for (smtp:192.0.2.2) at Nov 22 16:00:02",
                "postfix/anvil: statistics: max cache size 2 at Nov 22 16:00:00",
            ], _log.Lines);
        _time.Advance(TimeSpan.FromSeconds(300));
        Assert.Equal(5, _log.Lines.Count);
    }

    [Fact]
    public void What_was_counted_last_is_logged_at_the_end()
    {
        Make().Dispose();
        Assert.Empty(_log.Lines);
        var anvil = Make();
        anvil.Connect("smtp:192.0.2.1");
        anvil.Dispose();
        Assert.Equal(3, _log.Lines.Count);
    }

    [Fact]
    public void Rates_begin_anew_with_each_time_unit_and_counts_do_not()
    {
        using var anvil = Make(("anvil_rate_time_unit", "10s"));
        anvil.Connect("c");
        anvil.Connect("c");
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(new AnvilConnections(3, 1), anvil.Connect("c"));
        Assert.Equal(1, anvil.Mail("c"));
    }

    private AnvilService Make(params (string, string)[] values) => new(new TestConfig(values), new ServiceLog(_log, "postfix/anvil"), _time);
}
