using Facteur.Services.Master.Roles;

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
}
