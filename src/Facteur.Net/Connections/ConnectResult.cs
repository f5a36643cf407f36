namespace Facteur.Net.Connections;

/// <summary>A connection, or why there is none.</summary>
/// <param name="Connection">The connection, or null.</param>
/// <param name="Error">The reason in libc's words, such as "Connection refused"; "" when connected.</param>
public readonly record struct ConnectResult(Connection? Connection, string Error);
