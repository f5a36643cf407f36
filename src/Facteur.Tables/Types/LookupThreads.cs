using System.Collections.Concurrent;

namespace Facteur.Tables.Types;

/// <summary>
/// Own threads for lookups that block: a fixed number, a bounded queue, a time limit. A lookup over the limit is an error to its caller
/// at once; its thread goes on until the system answers.
/// </summary>
internal sealed class LookupThreads : IDisposable
{
    private const int Threads = 4, MaxWaiting = 1000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly BlockingCollection<Job> _waiting = new(MaxWaiting);

    public LookupThreads()
    {
        for (var i = 0; i < Threads; i++)
        {
            new Thread(Run) { IsBackground = true, Name = "lookup" }.Start();
        }
    }

    private sealed record Job(Func<string, Lookup> Find, string Key, TaskCompletionSource<Lookup> Answer);

    /// <summary>Runs a lookup.</summary>
    /// <param name="find">What may block.</param>
    /// <param name="key">Its key.</param>
    /// <param name="cancel">The caller's end.</param>
    public async ValueTask<Lookup> RunAsync(Func<string, Lookup> find, string key, CancellationToken cancel)
    {
        var job = new Job(find, key, new TaskCompletionSource<Lookup>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_waiting.TryAdd(job, 0, CancellationToken.None))
        {
            return Lookup.Error($"{MaxWaiting} lookups are waiting already");
        }
        try
        {
            return await job.Answer.Task.WaitAsync(Limit, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return Lookup.Error($"no answer within {Limit.TotalSeconds} s");
        }
    }

    public void Dispose() => _waiting.CompleteAdding();

    private void Run()
    {
        foreach (var job in _waiting.GetConsumingEnumerable())
        {
            try
            {
                job.Answer.TrySetResult(job.Find(job.Key));
            }
            catch (Exception e)
            {
                job.Answer.TrySetResult(Lookup.Error(e.Message));
            }
        }
    }
}
