using System.Net.Security;

namespace Facteur.Net.Tls;

/// <summary>
/// Cipher suites: the ones offered, since .NET's own choice leaves out what many mail servers need (DHE, RSA key exchange, CBC, ChaCha20), and their OpenSSL names.
/// Suites without authentication or encryption are never offered.
/// </summary>
public static class TlsCiphers
{
    private static readonly TlsCipherSuite[] Offered =
    [
        TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256, TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, TlsCipherSuite.TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, TlsCipherSuite.TLS_DHE_RSA_WITH_AES_256_CBC_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
        TlsCipherSuite.TLS_DHE_RSA_WITH_AES_128_CBC_SHA256, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, TlsCipherSuite.TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
        TlsCipherSuite.TLS_DHE_RSA_WITH_AES_128_CBC_SHA, TlsCipherSuite.TLS_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_RSA_WITH_AES_128_GCM_SHA256, TlsCipherSuite.TLS_RSA_WITH_AES_256_CBC_SHA256, TlsCipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA256,
        TlsCipherSuite.TLS_RSA_WITH_AES_256_CBC_SHA, TlsCipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA,
    ];

    /// <summary>The suites to offer.</summary>
    /// <param name="excluded">Elements of *_tls_exclude_ciphers: OpenSSL names or classes (AES128, SHA1, kRSA, DHE, CHACHA20 ...).</param>
    public static IReadOnlyList<TlsCipherSuite> Select(IReadOnlyCollection<string> excluded) =>
        excluded.Count == 0 ? Offered : [.. Offered.Where(suite => !excluded.Any(token => Matches(suite, token)))];

    /// <summary>The suites as SslStream takes them.</summary>
#pragma warning disable CA1416 // Linux only, as the whole system.
    internal static CipherSuitesPolicy Policy(IReadOnlyList<TlsCipherSuite> suites) => new(suites);
#pragma warning restore CA1416

    /// <summary>Whether an element of an exclusion list names a suite or a class that it belongs to; "a+b" asks for both.</summary>
    public static bool Matches(TlsCipherSuite suite, string token) => token.Split('+').All(part => MatchesOne(suite, part));

    /// <summary>OpenSSL's name of a suite.</summary>
    public static string OpenSslName(TlsCipherSuite suite)
    {
        var name = suite.ToString();
        var with = name.IndexOf("_WITH_", StringComparison.Ordinal);
        if (with < 0)
        {
            return name;
        }
        var exchange = name["TLS_".Length..with];
        var rest = name[(with + "_WITH_".Length)..]
            .Replace("AES_", "AES", StringComparison.Ordinal).Replace("CAMELLIA_", "CAMELLIA", StringComparison.Ordinal)
            .Replace("_CBC_", "-", StringComparison.Ordinal).Replace("3DES_EDE", "DES-CBC3", StringComparison.Ordinal)
            .Replace("POLY1305_SHA256", "POLY1305", StringComparison.Ordinal).Replace("CCM_8", "CCM8", StringComparison.Ordinal).Replace('_', '-');
        return exchange == "RSA" ? rest : exchange.Replace('_', '-') + "-" + rest;
    }

    /// <summary>Key bits of a suite.</summary>
    public static int Bits(TlsCipherSuite suite)
    {
        var name = suite.ToString();
        return name.Contains("256_", StringComparison.Ordinal) || name.Contains("CHACHA20", StringComparison.Ordinal) ? 256
            : name.Contains("128_", StringComparison.Ordinal) ? 128
            : name.Contains("3DES", StringComparison.Ordinal) ? 112 : 0;
    }

    private static bool MatchesOne(TlsCipherSuite suite, string token)
    {
        var name = suite.ToString();
        bool Has(string part) => name.Contains(part, StringComparison.Ordinal);
        var modern = !Has("_WITH_");
        return token.ToUpperInvariant() switch
        {
            "AES" => Has("AES"),
            "AES128" => Has("AES_128"),
            "AES256" => Has("AES_256"),
            "AESGCM" => Has("GCM"),
            "CHACHA20" => Has("CHACHA20"),
            "SHA" or "SHA1" => name.EndsWith("_SHA", StringComparison.Ordinal),
            "SHA256" => Has("CBC_SHA256"),
            "SHA384" => Has("CBC_SHA384"),
            "KRSA" or "RSA" => name.StartsWith("TLS_RSA_", StringComparison.Ordinal),
            "ARSA" => !modern && Has("RSA_WITH"),
            "ECDSA" or "AECDSA" => Has("ECDSA"),
            "DHE" or "EDH" or "KDHE" or "KEDH" => name.StartsWith("TLS_DHE_", StringComparison.Ordinal),
            "ECDHE" or "EECDH" or "KECDHE" or "KEECDH" => name.StartsWith("TLS_ECDHE_", StringComparison.Ordinal),
            "TLSV1.2" => !modern && (Has("GCM") || Has("CHACHA20") || Has("CBC_SHA256") || Has("CBC_SHA384")),
            "HIGH" or "ALL" => !modern,
            _ => token.Equals(OpenSslName(suite), StringComparison.OrdinalIgnoreCase),
        };
    }
}
