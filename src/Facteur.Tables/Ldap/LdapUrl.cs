using System.Globalization;

namespace Facteur.Tables.Ldap;

/// <summary>Where a search looks.</summary>
internal enum LdapScope
{
    Base = 0,
    One = 1,
    Sub = 2,
}

/// <summary>ldap://host:port/dn?attributes?scope?filter (RFC 4516); also ldaps: and ldapi: with the socket's path as host.</summary>
/// <param name="Scheme">ldap, ldaps or ldapi.</param>
/// <param name="Host">The host, "" when there is none; of ldapi: the path.</param>
/// <param name="Port">The port, 0 when there is none.</param>
/// <param name="Name">The distinguished name.</param>
/// <param name="Attributes">The attributes asked for; none are all.</param>
/// <param name="Scope">The scope; base when there is none.</param>
/// <param name="Filter">The filter.</param>
internal sealed record LdapUrl(string Scheme, string Host, int Port, string Name, IReadOnlyList<string> Attributes, LdapScope Scope, string Filter)
{
    public bool IsTls => Scheme == "ldaps";

    public bool IsUnix => Scheme == "ldapi";

    /// <summary>Whether a text means to be one.</summary>
    public static bool Looks(string text) =>
        text.StartsWith("ldap://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("ldaps://", StringComparison.OrdinalIgnoreCase)
        || text.StartsWith("ldapi://", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads one; null when it is none.</summary>
    public static LdapUrl? Parse(string text)
    {
        if (!Looks(text))
        {
            return null;
        }
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var scheme = text[..colon].ToLowerInvariant();
        var rest = text[(colon + 3)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var server = slash < 0 ? rest : rest[..slash];
        var parts = slash < 0 ? [] : rest[(slash + 1)..].Split('?');
        var port = 0;
        if (scheme != "ldapi")
        {
            var at = server is ['[', ..] ? server.IndexOf(':', Math.Max(0, server.IndexOf(']', StringComparison.Ordinal))) : server.IndexOf(':', StringComparison.Ordinal);
            if (at >= 0 && (!int.TryParse(server.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65535))
            {
                return null;
            }
            server = (at < 0 ? server : server[..at]).Trim('[', ']');
        }
        string Part(int i) => i < parts.Length ? Uri.UnescapeDataString(parts[i]) : "";
        LdapScope? scope = Part(2).ToLowerInvariant() switch
        {
            "" or "base" => LdapScope.Base,
            "one" => LdapScope.One,
            "sub" => LdapScope.Sub,
            _ => null,
        };
        return scope is not { } known || parts.Length > 5 ? null
            : new LdapUrl(scheme, Uri.UnescapeDataString(server), port, Part(0), Part(1).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
                known, Part(3) is { Length: > 0 } filter ? filter : "(objectClass=*)");
    }
}
