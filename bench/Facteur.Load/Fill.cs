using System.Diagnostics;
using System.Globalization;
using System.Text;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Load;

/// <summary>Writes a spool of deferred messages through the spool itself: most due in the coming days, some due now.</summary>
internal static class Fill
{
    private const int Batch = 2048;
    private const int FirstDueSeconds = 6 * 3600;
    private const int LastDueSeconds = 5 * 86_400;

    public static int Run(Options options)
    {
        var (count, due, size) = (options.Int("messages", 1_000_000), options.Int("due", 100), options.Int("size", 1024));
        var spoolOptions = new SpoolOptions { Directory = options.Text("journal", "") };
        if (spoolOptions.Directory.Length == 0)
        {
            Console.Error.WriteLine("Facteur.Load fill: --journal DIR is needed, the journal/ of a queue directory");
            return 64;
        }
        var now = (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        var watch = Stopwatch.StartNew();
        using var spool = Spool.Spool.Open(spoolOptions, new UnixDisk(), TimeProvider.System, new Silent());
        var random = new Random(1);
        for (var done = 0; done < count;)
        {
            var n = Math.Min(Batch, count - done);
            if (!spool.TryTakeIds(n, out var id))
            {
                Console.Error.WriteLine("Facteur.Load fill: the disk refuses");
                return 1;
            }
            for (var last = done + n; done < last; done++, id++)
            {
                Add(spool, id, done, size, now, done < due ? now / 1_000_000 : now / 1_000_000 + random.Next(FirstDueSeconds, LastDueSeconds), done < due);
            }
            if (spool.Commit(true) != CommitResult.Durable)
            {
                Console.Error.WriteLine("Facteur.Load fill: the commit failed");
                return 1;
            }
            while (spool.Maintain())
            {
            }
        }
        Console.WriteLine(FormattableString.Invariant($"{{\"messages\": {count}, \"seconds\": {watch.Elapsed.TotalSeconds:F1}}}"));
        return 0;
    }

    private static void Add(ISpool spool, ulong id, int number, int size, long nowMicros, long dueSeconds, bool isDue)
    {
        var head = string.Create(CultureInfo.InvariantCulture, $"Subject: message {number}\nMessage-Id: <{number}@queue.test>\n\n");
        var content = new byte[size];
        content.AsSpan().Fill((byte)'x');
        Encoding.UTF8.GetBytes(head, content);
        for (var at = head.Length + 70; at < size; at += 71)
        {
            content[at] = (byte)'\n';
        }
        content[^1] = (byte)'\n';
        spool.Content(id, content);
        var recipient = isDue ? "due@sink.test" : string.Create(CultureInfo.InvariantCulture, $"user{number}@site{number % 5000}.later.test");
        spool.End(id, new Envelope
        {
            Sender = "sender@queue.test",
            ArrivalMicros = nowMicros,
            ContentSize = size,
            Recipients = [new EnvelopeRecipient(recipient)],
        }, QueueState.Deferred, dueSeconds);
    }

    private sealed class Silent : ISpoolEvents
    {
        public void Sealed(uint segment, long goodOffset, int errno) => Console.Error.WriteLine($"fill: segment {segment} sealed, errno {errno}");

        public void Damage(ulong id, string place, string keptAs) => Console.Error.WriteLine($"fill: damage: {place}");

        public void Torn(uint segment, long from, long to)
        {
        }

        public void OnReserve() => Console.Error.WriteLine("fill: the disk is full");

        public void OffReserve()
        {
        }

        public void SlowCommit(TimeSpan duration)
        {
        }

        public void MaintenanceFailed(string what, int errno) => Console.Error.WriteLine($"fill: {what}, errno {errno}");

        public void Opened(long messages, long replayedBytes)
        {
        }
    }
}
