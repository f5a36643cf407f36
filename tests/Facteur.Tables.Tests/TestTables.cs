using System.Collections.Concurrent;
using Facteur.Config;
using Facteur.Testing;

namespace Facteur.Tables.Tests;

/// <summary>A directory of tables, a clock, and what was said.</summary>
internal sealed class TestTables : TimeProvider, ITableEvents, IDisposable
{
    private readonly ConcurrentQueue<string> _said = new();
    private DateTimeOffset _now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public TestTables(TableOptions? options = null, params (string Name, string Value)[] values)
    {
        Config = new TestConfig(values);
        Set = new TableSet(Config, this, this, options);
    }

    public IConfig Config { get; }

    public TableSet Set { get; }

    public string Directory { get; } = global::System.IO.Directory.CreateTempSubdirectory("facteur-tables-").FullName;

    public IReadOnlyList<string> Said => [.. _said.Select(s => s.Replace(Directory, "@E@"))];

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _now.UtcTicks;

    public void Advance(double seconds) => _now += TimeSpan.FromSeconds(seconds);

    /// <summary>Writes a file as if at the clock's time.</summary>
    public string Write(string name, string text)
    {
        var path = Path.Combine(Directory, name);
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, _now.UtcDateTime);
        return path;
    }

    /// <summary>Looks up in "type:@E@/name" and so on: "= value", "-" or "! reason".</summary>
    public string Find(string table, string key)
    {
        var lookup = Set.Open(table.Replace("@E@", Directory)).LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return lookup.Status switch { LookupStatus.Found => "= " + lookup.Value, LookupStatus.NotFound => "-", _ => "! " + lookup.Value.Replace(Directory, "@E@") };
    }

    public void Info(string text) => _said.Enqueue("info: " + text);

    public void Warning(string text) => _said.Enqueue("warning: " + text);

    public void Error(string text) => _said.Enqueue("error: " + text);

    public void Dispose()
    {
        Set.Dispose();
        global::System.IO.Directory.Delete(Directory, recursive: true);
    }
}
