using System.Collections.Concurrent;
using Facteur.Contracts;

namespace Facteur.Testing;

/// <summary>Keeps log lines as "tag: [severity: ]text".</summary>
public sealed class TestLog : IMailLog
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyList<string> Lines => [.. _lines];

    public void Write(string tag, LogLevel level, string text) =>
        _lines.Enqueue($"{tag}: {(level == LogLevel.Info ? "" : level.ToString().ToLowerInvariant() + ": ")}{text}");
}
