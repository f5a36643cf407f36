namespace Facteur.Services.Deliver.Smtp;

/// <summary>A next hop: domain, domain:port, [host], [host]:port, [address], inet:..., unix:path (smtp(8), "destination syntax").</summary>
/// <param name="Name">Domain, host or address.</param>
/// <param name="Port">The port.</param>
/// <param name="UseMx">MX records decide.</param>
/// <param name="UnixPath">A Unix-domain socket instead, or null.</param>
/// <param name="SrvService">SRV records of this service decide, or null (use_srv_lookup).</param>
internal readonly record struct SmtpDestination(string Name, int Port, bool UseMx, string? UnixPath, string? SrvService = null)
{
    /// <summary>Reads one next hop.</summary>
    /// <returns>False when it is none.</returns>
    internal static bool TryParse(string text, SmtpSettings settings, out SmtpDestination destination)
    {
        destination = default;
        if (settings.Lmtp && text.StartsWith("unix:", StringComparison.Ordinal))
        {
            destination = new SmtpDestination(settings.Myhostname, 0, false, text["unix:".Length..]);
            return text.Length > "unix:".Length;
        }
        // Postfix: the prefixes are LMTP's; to smtp(8) inet:25 is a host of that name.
        if (settings.Lmtp && text.StartsWith("inet:", StringComparison.Ordinal))
        {
            text = text["inet:".Length..];
        }
        var bracketed = text.StartsWith('[');
        var end = bracketed ? text.IndexOf(']') : text.IndexOf(':');
        if (bracketed && end < 0)
        {
            return false;
        }
        var name = bracketed ? text[1..end] : end < 0 ? text : text[..end];
        var rest = bracketed ? text[(end + 1)..] : end < 0 ? "" : text[end..];
        name = name.StartsWith("ipv6:", StringComparison.OrdinalIgnoreCase) ? name["ipv6:".Length..] : name;
        // Postfix: a colon with nothing behind it names no other port.
        var port = rest is "" or ":" ? settings.Port : rest[0] == ':' ? settings.PortOf(rest[1..]) : null;
        // Postfix: LMTP never asks for MX records.
        destination = new SmtpDestination(name.EndsWith('.') && !bracketed ? name[..^1] : name, port ?? 0, !bracketed && !settings.Lmtp, null,
            // A number names no service, and brackets a host.
            !bracketed && settings.SrvServices.Contains(rest.Length > 0 ? rest[1..] : settings.Service) ? rest.Length > 0 ? rest[1..] : settings.Service : null);
        return name.Length > 0 && port is not null;
    }
}
