using Facteur.Config.MasterCf;
using Facteur.Contracts;
using Facteur.Net.Dns;
using Facteur.Services.Explain;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>Whom smtpd asks.</summary>
public sealed class SmtpdArrows
{
    /// <summary>Takes the mail.</summary>
    public required ICleanup Cleanup { get; init; }

    /// <summary>Says where addresses go.</summary>
    public required IRewrite Rewrite { get; init; }

    /// <summary>Names of clients and domains of senders.</summary>
    public required IDnsResolver Dns { get; init; }

    /// <summary>Opens tables.</summary>
    public required ITableSet Tables { get; init; }

    /// <summary>Makes match lists.</summary>
    public required IMatchLists MatchLists { get; init; }

    /// <summary>Looks addresses up.</summary>
    public required IAddressMaps AddressMaps { get; init; }

    /// <summary>Counts what clients do.</summary>
    public required IAnvil Anvil { get; init; }

    /// <summary>Whether addresses can be delivered to (reject_unverified_*); null when nobody can be asked.</summary>
    public IAddressProbes? Probes { get; init; }

    /// <summary>ETRN: all mail for a domain is tried now; it throws or is null when the queue can't be asked (458).</summary>
    public Func<string, CancellationToken, ValueTask>? FlushSite { get; init; }

    /// <summary>Free bytes in the queue's file system, asked at MAIL.</summary>
    public Func<long> FreeQueueBytes { get; init; } = static () => long.MaxValue;

    /// <summary>What names of sockets stand for; null: they begin at queue_directory.</summary>
    public SocketNames? Sockets { get; init; }

    /// <summary>The hosts file, asked before the DNS.</summary>
    public required HostsFile Hosts { get; init; }

    /// <summary>Is told what each restriction says; null: nobody asks.</summary>
    public Explanation? Explanation { get; init; }
}
