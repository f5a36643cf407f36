using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Facteur.Net.Connections;

namespace Facteur.Net.Tls;

/// <summary>
/// The client's side on SslStream. Certificates are looked at, not insisted on: opportunistic TLS. Anonymous suites and the name of the key exchange
/// are out of SslStream's reach.
/// </summary>
/// <param name="protocols">The protocols to offer.</param>
/// <param name="ciphers">The suites to offer.</param>
/// <param name="authorities">Authorities that make a certificate "Trusted"; empty: every certificate is "Untrusted".</param>
/// <param name="time">The clock.</param>
public sealed class TlsClient(
    SslProtocols protocols, IReadOnlyList<TlsCipherSuite> ciphers, X509Certificate2Collection authorities, TimeProvider time) : ITlsHandshake
{
    // Made with the first handshake: it loads OpenSSL, 4 MB that a relay without TLS never needs.
#pragma warning disable CA1416 // Linux only, as the whole system.
    private readonly Lazy<CipherSuitesPolicy> _ciphers = new(() => TlsCiphers.Policy(ciphers));
#pragma warning restore CA1416

    /// <inheritdoc/>
    public async ValueTask<TlsResult> HandshakeAsync(Connection connection, string? serverName, CancellationToken cancel)
    {
        var trust = PeerTrust.Anonymous;
        var stream = new SslStream(new PipeStream(connection), leaveInnerStreamOpen: true);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = serverName ?? "",
            EnabledSslProtocols = protocols,
#pragma warning disable CA1416
            CipherSuitesPolicy = _ciphers.Value,
#pragma warning restore CA1416
            CertificateChainPolicy = ChainPolicy(),
#pragma warning disable CA5359 // Opportunistic: the caller gets to know the trust and decides.
            RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            {
                trust = Trust(certificate, errors, serverName is not null);
                return true;
            },
#pragma warning restore CA5359
        };
        var error = await TlsHandshake.RunAsync(stream.AuthenticateAsClientAsync(options, cancel)).ConfigureAwait(false);
        if (error is null)
        {
            return new TlsResult(new TlsConnection(connection, stream, time), TlsHandshake.Facts(stream, trust), "");
        }
        await stream.DisposeAsync().ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        return new TlsResult(null, null, error);
    }

    private static PeerTrust Trust(X509Certificate? certificate, SslPolicyErrors errors, bool named) =>
        certificate is null ? PeerTrust.Anonymous
        : (errors & SslPolicyErrors.RemoteCertificateChainErrors) != 0 ? PeerTrust.Untrusted
        : named && errors == SslPolicyErrors.None ? PeerTrust.Verified : PeerTrust.Trusted;

    private X509ChainPolicy ChainPolicy()
    {
        // Never fetches anything on a stranger's word: no AIA downloads, no revocation queries.
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
