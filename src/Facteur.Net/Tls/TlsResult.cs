using Facteur.Net.Connections;

namespace Facteur.Net.Tls;

/// <summary>How a handshake ended.</summary>
/// <param name="Connection">The protected connection, or null.</param>
/// <param name="Facts">What was agreed, or null.</param>
/// <param name="Error">Why it failed, one line; "" on success.</param>
public readonly record struct TlsResult(Connection? Connection, TlsFacts? Facts, string Error);
