using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Facteur.Tables;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Load;

/// <summary>What lookups cost in process, in microseconds, as a line of JSON: of a large index, of lists of 500 pcre and regexp rules, and of the bare regexec calls of the latter.</summary>
internal static class TableCost
{
    private const int Rounds = 7;

    public static async Task<int> RunAsync(Options options)
    {
        var directory = Directory.CreateTempSubdirectory("facteur-tables-").FullName;
        try
        {
            using var set = new TableSet(new TestConfig(), new Quiet(), TimeProvider.System);
            var result = new JsonObject();
            if (options.Text("text", "") is { Length: > 0 } text)
            {
                result["hash"] = await HashAsync(set, text);
            }
            foreach (var (name, rules) in TableRules.Lists)
            {
                var path = Path.Combine(directory, name.Replace(' ', '_'));
                await File.WriteAllLinesAsync(path, rules);
                result[name] = await RulesAsync(set, path, rules);
            }
            Console.WriteLine(result.ToJsonString());
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Keys of a text in an order of their own.</summary>
    private static async Task<JsonObject> HashAsync(TableSet set, string text)
    {
        var keys = File.ReadLines(text).Select(l => l[..l.IndexOf('\t')]).ToArray();
        new Random(1).Shuffle(keys);
        var entries = keys.Length;
        keys = keys[..Math.Min(keys.Length, 200_000)];
        var table = set.OpenOrThrow("hash:" + text);
        var times = new double[Rounds];
        for (var round = 0; round < Rounds; round++)
        {
            times[round] = await MeasureAsync(table, keys, found: keys.Length);
        }
        return new JsonObject { ["entries"] = entries, ["us"] = Median(times) };
    }

    private static async Task<JsonObject> RulesAsync(TableSet set, string path, string[] rules)
    {
        var pcre = set.OpenOrThrow("pcre:" + path);
        var regexp = set.OpenOrThrow("regexp:" + path);
        var lines = TableRules.Lines;
        var many = Enumerable.Range(0, 40 * lines.Length).Select(i => lines[i % lines.Length]).ToArray();
        var compiled = rules.Select(Compile).ToArray();
        var bytes = Array.ConvertAll(many, k => Encoding.Latin1.GetBytes(k + "\0"));
        // Once round before: what runs often is compiled anew.
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started).TotalSeconds < 0.5;)
        {
            await MeasureAsync(pcre, many, -1);
        }
        var (ofPcre, ofRegexp, bare) = (new double[Rounds], new double[Rounds], new double[Rounds]);
        for (var round = 0; round < Rounds; round++)
        {
            ofPcre[round] = await MeasureAsync(pcre, many, many.Length / lines.Length);
            ofRegexp[round] = await MeasureAsync(regexp, many, many.Length / lines.Length);
            bare[round] = MeasureBare(compiled, bytes);
        }
        // The line that costs most, by itself.
        var worst = 0.0;
        foreach (var line in lines)
        {
            var same = Enumerable.Repeat(line, 100).ToArray();
            worst = Math.Max(worst, Math.Min(await MeasureAsync(pcre, same, -1), await MeasureAsync(pcre, same, -1)));
        }
        return new JsonObject
        {
            ["pcre"] = Median(ofPcre),
            ["pcre_worst"] = worst,
            ["regexp"] = Median(ofRegexp),
            ["regexec"] = Median(bare),
            ["ratio"] = Median(ofRegexp.Zip(bare, (r, b) => r / b)),
        };
    }

    /// <summary>Microseconds a lookup.</summary>
    /// <param name="table">The table.</param>
    /// <param name="keys">What is looked up.</param>
    /// <param name="found">How many of them it must find; -1 when that does not matter.</param>
    private static async Task<double> MeasureAsync(ITable table, string[] keys, int found)
    {
        var count = 0;
        var started = Stopwatch.GetTimestamp();
        foreach (var key in keys)
        {
            count += (await table.LookupAsync(key, CancellationToken.None)).Status == LookupStatus.Found ? 1 : 0;
        }
        var took = Stopwatch.GetElapsedTime(started).TotalMicroseconds / keys.Length;
        return found < 0 || count == found ? took : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{table.Name}: {count} found, expected {found}"));
    }

    /// <summary>A rule's pattern by regcomp(3) alone.</summary>
    private static unsafe nint Compile(string rule)
    {
        const int Extended = 1, IgnoreCase = 2, StructSize = 256;
        var end = rule.LastIndexOf('/', rule.IndexOf(" REJECT ", StringComparison.Ordinal));
        var regex = (nint)NativeMemory.AllocZeroed(StructSize);
        fixed (byte* text = Encoding.Latin1.GetBytes(rule[1..end] + "\0"))
        {
            var result = Libc.regcomp(regex, text, rule[end + 1] == 'i' ? Extended : Extended | IgnoreCase);
            return result == 0 ? regex : throw new InvalidOperationException($"{rule}: {result}");
        }
    }

    /// <summary>Microseconds a text, all patterns up to one that matches asked by regexec(3) with nothing around it.</summary>
    private static unsafe double MeasureBare(nint[] patterns, byte[][] texts)
    {
        var started = Stopwatch.GetTimestamp();
        foreach (var text in texts)
        {
            fixed (byte* start = text)
            {
                foreach (var pattern in patterns)
                {
                    if (Libc.regexec(pattern, start, 0, null, 0) == 0)
                    {
                        break;
                    }
                }
            }
        }
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / texts.Length;
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return Math.Round(sorted[sorted.Length / 2], 3);
    }

    private sealed class Quiet : ITableEvents
    {
        public void Info(string text)
        {
        }

        public void Warning(string text) => Console.Error.WriteLine(text);

        public void Error(string text) => Console.Error.WriteLine(text);
    }
}
