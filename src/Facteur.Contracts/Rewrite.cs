namespace Facteur.Contracts;

/// <summary>What a resolved recipient is, and what went wrong (Postfix: RESOLVE_FLAG_* and RESOLVE_CLASS_*).</summary>
[Flags]
public enum ResolveFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The address class local: mydestination, inet_interfaces, proxy_interfaces.</summary>
    Local = 1,

    /// <summary>The class virtual alias: virtual_alias_domains.</summary>
    VirtualAlias = 2,

    /// <summary>The class virtual mailbox: virtual_mailbox_domains.</summary>
    VirtualMailbox = 4,

    /// <summary>The class relay: relay_domains.</summary>
    Relay = 8,

    /// <summary>The class default: everything else.</summary>
    Default = 16,

    /// <summary>Sender-specified routing: user%domain@site, site!user, user@domain@site.</summary>
    Routed = 32,

    /// <summary>The address is not valid.</summary>
    Error = 64,

    /// <summary>A table can't answer now: try again.</summary>
    Fail = 128,
}

/// <summary>Where a recipient goes.</summary>
/// <param name="Transport">Name of a master.cf entry of type unix.</param>
/// <param name="Nexthop">Next-hop destination, the transport's own meaning.</param>
/// <param name="Recipient">The recipient to deliver to, external form.</param>
/// <param name="Flags">Class and errors. With Error the nexthop is the reason; with Fail nothing else is valid.</param>
public sealed record Resolution(string Transport, string Nexthop, string Recipient, ResolveFlags Flags);

/// <summary>
/// The arrow → trivial-rewrite. Addresses in external (RFC 5321) form without brackets. Answers are cached by the client per
/// configuration generation; a synchronous completion is the usual case.
/// </summary>
public interface IRewrite
{
    /// <summary>Completes an address to user@fully.qualified.domain.</summary>
    /// <param name="local">Context: true for $myorigin and $mydomain, false for remote_header_rewrite_domain.</param>
    /// <param name="address">The address.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>The address, or null when it can't be had now.</returns>
    ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel);

    /// <summary>Says where a recipient goes.</summary>
    /// <param name="sender">The envelope sender, for sender-dependent routing.</param>
    /// <param name="recipient">The recipient, rewritten.</param>
    /// <param name="cancel">The caller's end.</param>
    ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel);

    /// <summary>Says where a probe of an address goes: as mail to it, but by the address_verify_* overrides of transports and relay hosts.</summary>
    /// <param name="sender">The sender.</param>
    /// <param name="recipient">The recipient, rewritten.</param>
    /// <param name="cancel">The caller's end.</param>
    ValueTask<Resolution> ResolveProbeAsync(string sender, string recipient, CancellationToken cancel) => ResolveAsync(sender, recipient, cancel);
}
