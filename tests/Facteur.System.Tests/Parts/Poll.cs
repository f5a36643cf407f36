using System.Diagnostics;

namespace Facteur.System.Tests.Parts;

/// <summary>Waits for something to become true, never longer than a limit.</summary>
internal static class Poll
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    /// <summary>Asks again and again until the answer is not null.</summary>
    public static T Until<T>(Func<T?> ask, Func<string> what) where T : class
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (ask() is { } answer)
            {
                return answer;
            }
            if (clock.Elapsed > Limit)
            {
                Assert.Fail($"not within {Limit.TotalSeconds} s: {what()}");
            }
            Thread.Sleep(20);
        }
    }

    public static void Until(Func<bool> ask, Func<string> what) => Until(() => ask() ? "" : null, what);
}
