namespace Facteur.Net.Tls;

/// <summary>How far the peer's certificate can be trusted; the words are Postfix's in its log.</summary>
public enum PeerTrust : byte
{
    /// <summary>The peer showed no certificate.</summary>
    Anonymous = 0,

    /// <summary>A certificate that no configured authority vouches for.</summary>
    Untrusted = 1,

    /// <summary>A certificate of a configured authority.</summary>
    Trusted = 2,

    /// <summary>Trusted, and the name is the one asked for.</summary>
    Verified = 3,
}

/// <summary>What a handshake agreed on.</summary>
/// <param name="Protocol">"TLSv1.3", "TLSv1.2", ...</param>
/// <param name="Cipher">OpenSSL's name of the suite.</param>
/// <param name="Bits">Key bits in use.</param>
/// <param name="AlgorithmBits">Key bits of the algorithm.</param>
/// <param name="Trust">The peer.</param>
/// <param name="PeerSubject">Subject of the peer's certificate, or "".</param>
public sealed record TlsFacts(string Protocol, string Cipher, int Bits, int AlgorithmBits, PeerTrust Trust, string PeerSubject);
