using System.Net;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>How looking up a client's name ended.</summary>
internal enum NameStatus : byte
{
    /// <summary>Found; for the verified name: it also leads back to the address.</summary>
    Ok = 0,

    /// <summary>The DNS can't answer now.</summary>
    TryAgain = 1,

    /// <summary>There is no name.</summary>
    None = 2,

    /// <summary>The name does not lead back to the address.</summary>
    Forged = 3,
}

/// <summary>What is known of a client.</summary>
internal sealed record ClientFacts
{
    public const string Unknown = "unknown";

    /// <summary>Null when the peer has no Internet address.</summary>
    public IPAddress? Ip { get; init; }

    /// <summary>Who is at the other end of the connection, whatever XCLIENT says; null when that has no Internet address.</summary>
    public IPAddress? Peer { get; init; }

    public string Address { get; init; } = Unknown;

    public int Port { get; init; }

    /// <summary>Our end of the connection: the address, "" where there is none.</summary>
    public string ServerAddress { get; init; } = "";

    /// <summary>The port of our end, "" where there is none.</summary>
    public string ServerPort { get; init; } = "";

    /// <summary>Verified name, or "unknown".</summary>
    public string Name { get; init; } = Unknown;

    /// <summary>Unverified name, or "unknown".</summary>
    public string ReverseName { get; init; } = Unknown;

    public NameStatus NameStatus { get; init; } = NameStatus.None;

    public NameStatus ReverseStatus { get; init; } = NameStatus.None;

    public NameStatus ForwardStatus { get; init; } = NameStatus.None;

    /// <summary>name[address], with the port where that is logged.</summary>
    public string Printable { get; init; } = "unknown[unknown]";

    /// <summary>The address as in Received: headers (RFC 5321 4.1.3).</summary>
    public string Rfc5321Address => Ip?.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? "IPv6:" + Address : Address;
}
