using Facteur.Net.Connections;

namespace Facteur.Tables.Databases;

/// <summary>Where a server is: a host and port, or the path of a Unix-domain socket.</summary>
/// <param name="Host">The host, "" for a socket.</param>
/// <param name="Port">Its TCP port.</param>
/// <param name="Path">The socket, "" for a host.</param>
internal readonly record struct ServerAddress(string Host, int Port, string Path)
{
    public bool IsUnix => Path.Length > 0;

    /// <summary>As the administrator wrote it.</summary>
    public override string ToString() => IsUnix ? $"unix:{Path}" : Host.Contains(':') ? $"inet:[{Host}]:{Port}" : $"inet:{Host}:{Port}";

    /// <summary>Reads "unix:/path", "inet:host:port", "host:port", "[address]:port"; null when it is none of them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="defaultPort">The port where none is written; 0: one must be.</param>
    public static ServerAddress? Parse(string text, int defaultPort = 0)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            return text.Length > 5 ? new ServerAddress("", 0, text[5..]) : null;
        }
        text = text.StartsWith("inet:", StringComparison.Ordinal) ? text[5..] : text;
        var bracket = text is ['[', ..] ? text.IndexOf(']', StringComparison.Ordinal) : 0;
        if (bracket < 0)
        {
            return null;
        }
        var colon = text.IndexOf(':', bracket);
        var host = colon < 0 ? text : text[..colon];
        host = host is ['[', .. var literal, ']'] ? literal : host;
        var port = colon < 0 ? (defaultPort > 0 ? defaultPort : null) : ServerConnector.Port(text[(colon + 1)..]);
        return host.Length > 0 && port is { } number ? new ServerAddress(host, number, "") : null;
    }

    /// <summary>Connects.</summary>
    public ValueTask<ConnectResult> ConnectAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancel) =>
        IsUnix ? ServerConnector.ConnectAsync(Path, timeout, time, cancel) : ServerConnector.ConnectAsync(Host, Port, timeout, time, cancel);
}
