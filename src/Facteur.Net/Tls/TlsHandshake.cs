using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace Facteur.Net.Tls;

/// <summary>What both sides of a handshake share.</summary>
internal static class TlsHandshake
{
    /// <summary>Waits for a handshake; null when it succeeded, else one line of why not.</summary>
    internal static async ValueTask<string?> RunAsync(Task handshake)
    {
        try
        {
            await handshake.ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is AuthenticationException or IOException or InvalidOperationException or CryptographicException or OperationCanceledException
            or NullReferenceException)
        {
            // NullReferenceException: SslStream's answer to a peer without any certificate.
            return Reason(e);
        }
    }

    internal static TlsFacts Facts(SslStream stream, PeerTrust trust)
    {
        var suite = stream.NegotiatedCipherSuite;
        var bits = TlsCiphers.Bits(suite);
        return new TlsFacts(
            TlsProtocols.Name(stream.SslProtocol), TlsCiphers.OpenSslName(suite), bits, bits, trust, stream.RemoteCertificate?.Subject ?? "");
    }

    private static string Reason(Exception e)
    {
        while (e.InnerException is { } inner)
        {
            e = inner;
        }
        return e.Message.ReplaceLineEndings(" ");
    }
}
