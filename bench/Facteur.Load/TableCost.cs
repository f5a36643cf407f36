using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Tables;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Load;

/// <summary>What lookups cost: an index of a million entries, 500 pcre and 500 regexp rules that all fail, and the bare regexec calls of the latter.</summary>
internal static class TableCost
{
    public static async Task<int> RunAsync(Options options)
    {
        var directory = Directory.CreateTempSubdirectory("facteur-tables-").FullName;
        try
        {
            var count = options.Int("entries", 1_000_000);
            var text = Path.Combine(directory, "t");
            var random = new Random(1);
            var numbers = Enumerable.Range(0, count).ToArray();
            random.Shuffle(numbers);
            File.WriteAllLines(text, numbers.Select(i => string.Create(CultureInfo.InvariantCulture, $"user{i:D8}@domain{i % 1000}.example.com\tmailbox{i:D8}@host.example.net")));
            foreach (var postmap in options.Text("postmap", "").Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                File.WriteAllText(Path.Combine(directory, "main.cf"), "compatibility_level = 3.6\nlmdb_map_size = 1000000000\n");
                File.Delete(text + ".lmdb");
                var started = Stopwatch.GetTimestamp();
                using var process = Process.Start(postmap, ["-c", directory, "lmdb:" + text]);
                await process.WaitForExitAsync();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{postmap} lmdb: of {count} entries: {Stopwatch.GetElapsedTime(started).TotalSeconds:F2} s, exit {process.ExitCode}"));
            }
            using var set = new TableSet(new TestConfig(), new Quiet(), TimeProvider.System);
            var keys = numbers.Take(200_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"user{i:D8}@domain{i % 1000}.example.com")).ToArray();
            random.Shuffle(keys);
            await Measure("hash", set.OpenOrThrow("hash:" + text), keys);
            var rules = Path.Combine(directory, "rules");
            File.WriteAllLines(rules, Enumerable.Range(0, 500).Select(i => $"/^Subject: .*word{i}[a-z]+ (now|today)$/ REJECT {i}"));
            string[] lines = ["Subject: an ordinary subject of about sixty characters, as many are", "Received: from mail.example.com (mail.example.com [192.0.2.1])"];
            var many = Enumerable.Range(0, 2000).Select(i => lines[i % 2]).ToArray();
            await Measure("pcre, 500 rules", set.OpenOrThrow("pcre:" + rules), many);
            await Measure("regexp, 500 rules", set.OpenOrThrow("regexp:" + rules), many);
            MeasureBare(File.ReadAllLines(rules).Select(r => r[1..r.LastIndexOf('/')]), many);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task Measure(string what, ITable table, string[] keys)
    {
        var best = double.MaxValue;
        var found = 0;
        for (var round = 0; round < 5; round++)
        {
            found = 0;
            var started = Stopwatch.GetTimestamp();
            foreach (var key in keys)
            {
                found += (await table.LookupAsync(key, CancellationToken.None)).Status == LookupStatus.Found ? 1 : 0;
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMicroseconds / keys.Length);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {best:F2} us a lookup, {found} of {keys.Length} found"));
    }

    /// <summary>The same rules by regexec(3) alone.</summary>
    private static unsafe void MeasureBare(IEnumerable<string> patterns, string[] keys)
    {
        const int ExtendedAndCaseless = 3, StructSize = 256;
        var compiled = new List<nint>();
        foreach (var pattern in patterns)
        {
            var regex = (nint)NativeMemory.AllocZeroed(StructSize);
            fixed (byte* text = Encoding.Latin1.GetBytes(pattern + "\0"))
            {
                _ = Libc.regcomp(regex, text, ExtendedAndCaseless);
            }
            compiled.Add(regex);
        }
        var texts = Array.ConvertAll(keys, k => Encoding.Latin1.GetBytes(k + "\0"));
        var best = double.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var started = Stopwatch.GetTimestamp();
            foreach (var text in texts)
            {
                fixed (byte* start = text)
                {
                    foreach (var regex in compiled)
                    {
                        _ = Libc.regexec(regex, start, 0, null, 0);
                    }
                }
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMicroseconds / keys.Length);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"regexec alone, 500 patterns: {best:F2} us a text"));
    }

    private sealed class Quiet : ITableEvents
    {
        public void Info(string text)
        {
        }

        public void Warning(string text)
        {
        }

        public void Error(string text) => Console.Error.WriteLine(text);
    }
}
