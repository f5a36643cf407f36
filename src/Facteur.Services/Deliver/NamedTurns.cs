using System.Runtime.InteropServices;

namespace Facteur.Services.Deliver;

/// <summary>So many at once of each name; who comes then waits for a turn, in order. For any thread.</summary>
/// <param name="limit">How many.</param>
internal sealed class NamedTurns(int limit)
{
    private readonly Dictionary<string, Turns> _names = new(StringComparer.Ordinal);

    /// <summary>Does something in its turn.</summary>
    /// <param name="name">The name.</param>
    /// <param name="work">What is done.</param>
    /// <param name="cancel">Ends the waiting.</param>
    public async ValueTask<T> RunAsync<T>(string name, Func<ValueTask<T>> work, CancellationToken cancel)
    {
        Turns turns;
        lock (_names)
        {
            ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_names, name, out _);
            turns = known ??= new Turns(limit);
            turns.Users++;
        }
        try
        {
            await turns.Free.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                return await work().ConfigureAwait(false);
            }
            finally
            {
                turns.Free.Release();
            }
        }
        finally
        {
            lock (_names)
            {
                if (--turns.Users == 0)
                {
                    _names.Remove(name);
                    turns.Free.Dispose();
                }
            }
        }
    }

    private sealed class Turns(int limit)
    {
        public SemaphoreSlim Free { get; } = new(limit);

        /// <summary>Who has a turn or waits for one; nobody: it is forgotten.</summary>
        public int Users { get; set; }
    }
}
