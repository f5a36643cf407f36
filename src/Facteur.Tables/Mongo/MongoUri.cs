using Facteur.Tables.Databases;

namespace Facteur.Tables.Mongo;

/// <summary>mongodb://user:password@host:port,host/database?name=value (MongoDB's Connection String Specification, without mongodb+srv).</summary>
internal sealed record MongoUri
{
    private const int DefaultPort = 27017;

    public required IReadOnlyList<ServerAddress> Hosts { get; init; }

    public string User { get; private init; } = "";

    public string Password { get; private init; } = "";

    /// <summary>The database that knows the user.</summary>
    public string AuthSource { get; private init; } = "admin";

    /// <summary>SCRAM-SHA-256 or SCRAM-SHA-1.</summary>
    public string Mechanism { get; private init; } = "SCRAM-SHA-256";

    public bool Tls { get; private init; }

    public bool AnyCertificate { get; private init; }

    public string AuthorityFile { get; private init; } = "";

    /// <summary>Reads one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="ignored">Options that have no effect here.</param>
    /// <returns>Null when it is none.</returns>
    public static MongoUri? Parse(string text, out List<string> ignored)
    {
        ignored = [];
        const string scheme = "mongodb://";
        if (!text.StartsWith(scheme, StringComparison.Ordinal))
        {
            return null;
        }
        var rest = text[scheme.Length..];
        var question = rest.IndexOf('?', StringComparison.Ordinal);
        var options = question < 0 ? [] : rest[(question + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries);
        rest = question < 0 ? rest : rest[..question];
        var at = rest.LastIndexOf('@');
        var user = at < 0 ? [] : rest[..at].Split(':', 2);
        rest = rest[(at + 1)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var database = slash < 0 ? "" : Uri.UnescapeDataString(rest[(slash + 1)..]);
        var hosts = (slash < 0 ? rest : rest[..slash]).Split(',').Select(Address).ToList();
        if (hosts.Contains(null))
        {
            return null;
        }
        var uri = new MongoUri
        {
            Hosts = [.. hosts.Select(h => h!.Value)],
            User = user.Length > 0 ? Uri.UnescapeDataString(user[0]) : "",
            Password = user.Length > 1 ? Uri.UnescapeDataString(user[1]) : "",
            AuthSource = database.Length > 0 ? database : "admin",
        };
        foreach (var option in options)
        {
            var pair = option.Split('=', 2);
            var value = pair.Length > 1 ? Uri.UnescapeDataString(pair[1]) : "";
            switch (pair[0].ToLowerInvariant())
            {
                case "authsource":
                    uri = uri with { AuthSource = value };
                    break;
                case "authmechanism" when value is "SCRAM-SHA-1" or "SCRAM-SHA-256":
                    uri = uri with { Mechanism = value };
                    break;
                case "authmechanism":
                    return null;
                case "tls" or "ssl":
                    uri = uri with { Tls = value == "true" };
                    break;
                case "tlsinsecure" or "tlsallowinvalidcertificates":
                    uri = uri with { AnyCertificate = value == "true" };
                    break;
                case "tlscafile":
                    uri = uri with { AuthorityFile = value };
                    break;
                default:
                    ignored.Add(option);
                    break;
            }
        }
        return uri;
    }

    private static ServerAddress? Address(string host)
    {
        host = Uri.UnescapeDataString(host);
        return host is ['/', ..] ? new ServerAddress("", 0, host) : ServerAddress.Parse(host, DefaultPort);
    }
}
