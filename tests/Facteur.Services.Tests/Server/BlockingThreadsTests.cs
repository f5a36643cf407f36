using Facteur.Services.Server;

namespace Facteur.Services.Tests.Server;

public sealed class BlockingThreadsTests
{
    /// <summary>Far less than an idle thread waits before it looks by itself.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task An_idle_thread_is_woken_for_work()
    {
        using var threads = new BlockingThreads("test", 1);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(i, await threads.RunAsync(() => i, default).WaitAsync(Patience));
            // Time to become idle, in some of the rounds.
            await Task.Delay(i % 5);
        }
    }

    [Fact]
    public async Task All_work_is_done_once_by_no_more_threads_than_there_may_be()
    {
        using var threads = new BlockingThreads("test", 4);
        var (done, now, most) = (0, 0, 0);
        var callers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await threads.RunAsync(() =>
                {
                    var running = Interlocked.Increment(ref now);
                    for (var seen = Volatile.Read(ref most); running > seen && Interlocked.CompareExchange(ref most, running, seen) != seen; seen = Volatile.Read(ref most))
                    {
                    }
                    Interlocked.Decrement(ref now);
                    return Interlocked.Increment(ref done);
                }, default);
            }
        })).ToArray();
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(4000, done);
        Assert.InRange(most, 1, 4);
    }

    [Fact]
    public async Task What_was_given_is_done_before_the_end_and_nothing_is_taken_after_it()
    {
        var threads = new BlockingThreads("test", 1);
        using var gate = new ManualResetEventSlim();
        var first = threads.RunAsync(() => { gate.Wait(); return 1; }, default);
        var second = threads.RunAsync(() => 2, default);
        threads.Dispose();
        gate.Set();
        Assert.Equal((1, 2), (await first.WaitAsync(Patience), await second.WaitAsync(Patience)));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => threads.RunAsync(() => 3, default));
    }

    [Fact]
    public async Task What_the_work_throws_comes_to_the_caller()
    {
        using var threads = new BlockingThreads("test", 1);
        await Assert.ThrowsAsync<IOException>(() => threads.RunAsync<int>(() => throw new IOException("no"), default));
        Assert.Equal(1, await threads.RunAsync(() => 1, default).WaitAsync(Patience));
    }
}
