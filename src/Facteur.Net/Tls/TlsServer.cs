using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Facteur.Net.Connections;

namespace Facteur.Net.Tls;

/// <summary>The server's side on SslStream: one certificate with its chain; sessions resume while this object lives.</summary>
public sealed class TlsServer : ITlsHandshake
{
    private readonly SslStreamCertificateContext _certificate;
    private readonly SslProtocols _protocols;
    private readonly CipherSuitesPolicy _ciphers;
    private readonly TimeProvider _time;

    /// <summary>Makes the server's side.</summary>
    /// <param name="certificate">Certificate with its private key.</param>
    /// <param name="chain">The certificates between it and its root.</param>
    /// <param name="protocols">The protocols to accept.</param>
    /// <param name="ciphers">The suites to accept.</param>
    /// <param name="time">The clock.</param>
    public TlsServer(
        X509Certificate2 certificate, X509Certificate2Collection chain, SslProtocols protocols, IReadOnlyList<TlsCipherSuite> ciphers, TimeProvider time)
    {
        _certificate = SslStreamCertificateContext.Create(certificate, chain, offline: true);
        _protocols = protocols;
        _ciphers = TlsCiphers.Policy(ciphers);
        _time = time;
    }

    /// <summary>Reads certificate, chain and key as Postfix's *_tls_cert_file and *_tls_key_file have them.</summary>
    /// <param name="certificatePem">Text with the server's certificate first, then the others of its chain.</param>
    /// <param name="keyPem">Text with the private key.</param>
    /// <exception cref="CryptographicException">A text holds no usable certificate or key, or they don't belong together.</exception>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Chain) ReadPem(string certificatePem, string keyPem)
    {
        var certificate = X509Certificate2.CreateFromPem(certificatePem, keyPem);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(certificatePem);
        chain.RemoveAt(0);
        return (certificate, chain);
    }

    /// <inheritdoc/>
    public async ValueTask<TlsResult> HandshakeAsync(Connection connection, string? serverName, CancellationToken cancel)
    {
        var stream = new SslStream(new PipeStream(connection), leaveInnerStreamOpen: true);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = _certificate,
            EnabledSslProtocols = _protocols,
            CipherSuitesPolicy = _ciphers,
            ClientCertificateRequired = false,
            AllowRenegotiation = false,
        };
        var error = await TlsHandshake.RunAsync(stream.AuthenticateAsServerAsync(options, cancel)).ConfigureAwait(false);
        if (error is null)
        {
            return new TlsResult(new TlsConnection(connection, stream, _time), TlsHandshake.Facts(stream, PeerTrust.Anonymous), "");
        }
        await stream.DisposeAsync().ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        return new TlsResult(null, null, error);
    }
}
