using System.Diagnostics;
using System.Reflection;
using Facteur.Services.Master.Links;
using Facteur.Unix;

namespace Facteur.Services.Tests.Master.Links;

public sealed class PollBellTests
{
    [Fact]
    public unsafe void A_ring_that_comes_late_ends_one_wait_and_not_all()
    {
        using var bell = new PollBell();
        // Who rings may write after the wait it wanted to end is over.
        var descriptor = (int)typeof(PollBell).GetField("_event", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(bell)!;
        ulong one = 1;
        Assert.Equal(sizeof(ulong), Libc.write(descriptor, (byte*)&one, sizeof(ulong)));
        bell.Wait(TimeSpan.FromSeconds(20));
        var watch = Stopwatch.StartNew();
        bell.Wait(TimeSpan.FromMilliseconds(200));
        Assert.InRange(watch.ElapsedMilliseconds, 190, 20_000);
    }

    [Fact]
    public void No_ring_is_lost()
    {
        using var bell = new PollBell();
        var (rung, seen) = (0, 0);
        var ringer = new Thread(() =>
        {
            for (var i = 1; i <= 20_000; i++)
            {
                Volatile.Write(ref rung, i);
                bell.Ring();
                for (var spins = 0; i % 3 == 0 && Volatile.Read(ref seen) < i && spins < 1000; spins++)
                {
                    Thread.SpinWait(10);
                }
            }
        });
        ringer.Start();
        var watch = Stopwatch.StartNew();
        while (seen < 20_000)
        {
            bell.Wait(TimeSpan.FromSeconds(30));
            Volatile.Write(ref seen, Volatile.Read(ref rung));
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(29), "a ring was lost");
        }
        ringer.Join();
    }
}
