using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Facteur.Net.Tls;

namespace Facteur.Testing;

/// <summary>Certificates made on the spot.</summary>
public static class Certificates
{
    private static readonly Lazy<(string Certificate, string Key)> Made = new(() =>
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=mx.example", key, HashAlgorithmName.SHA256);
        var start = TimeProvider.System.GetUtcNow().AddDays(-1);
        using var certificate = request.CreateSelfSigned(start, start.AddDays(30));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    });

    /// <summary>PEM texts of a self-signed certificate for mx.example and its key.</summary>
    public static (string Certificate, string Key) Pem => Made.Value;

    /// <summary>A server's TLS with that certificate.</summary>
    public static TlsServer Server(SslProtocols protocols = SslProtocols.Tls12 | SslProtocols.Tls13)
    {
        var (certificate, chain) = TlsServer.ReadPem(Pem.Certificate, Pem.Key);
        return new TlsServer(certificate, chain, protocols, TlsCiphers.Select([]), TimeProvider.System);
    }
}
