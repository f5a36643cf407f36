using System.Globalization;
using Npgsql;

namespace Facteur.Tables.Databases;

/// <summary>postgresql://user:password@host:port/dbname?name=value (PostgreSQL, 34.1.1.2 Connection URIs), with one host.</summary>
internal static class PgsqlUri
{
    /// <summary>The settings it stands for; null when it is none, or has a parameter that is not known.</summary>
    public static NpgsqlConnectionStringBuilder? Parse(string uri)
    {
        var rest = uri[(uri.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var settings = new NpgsqlConnectionStringBuilder();
        var question = rest.IndexOf('?', StringComparison.Ordinal);
        var parameters = question < 0 ? "" : rest[(question + 1)..];
        rest = question < 0 ? rest : rest[..question];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0 && slash < rest.Length - 1)
        {
            settings.Database = Uri.UnescapeDataString(rest[(slash + 1)..]);
        }
        rest = slash < 0 ? rest : rest[..slash];
        var at = rest.LastIndexOf('@');
        if (at >= 0)
        {
            var user = rest[..at].Split(':', 2);
            settings.Username = Uri.UnescapeDataString(user[0]);
            settings.Password = user.Length > 1 ? Uri.UnescapeDataString(user[1]) : null;
            rest = rest[(at + 1)..];
        }
        var colon = rest is ['[', ..] ? rest.IndexOf(':', Math.Max(0, rest.IndexOf(']', StringComparison.Ordinal))) : rest.LastIndexOf(':');
        var port = 5432;
        if (colon >= 0 && !int.TryParse(rest.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port))
        {
            return null;
        }
        rest = colon < 0 ? rest : rest[..colon];
        (settings.Host, settings.Port) = (rest.Length == 0 ? "/var/run/postgresql" : Uri.UnescapeDataString(rest).Trim('[', ']'), port);
        return parameters.Split('&', StringSplitOptions.RemoveEmptyEntries).All(p => Take(settings, p)) && !rest.Contains(',') ? settings : null;
    }

    /// <summary>The text as a log may have it.</summary>
    public static string WithoutPassword(string uri)
    {
        var start = uri.IndexOf("://", StringComparison.Ordinal);
        var at = start < 0 ? -1 : uri.LastIndexOf('@');
        var colon = at < 0 ? -1 : uri.IndexOf(':', start + 3);
        return colon >= 0 && colon < at ? uri[..colon] + uri[at..] : uri;
    }

    private static bool Take(NpgsqlConnectionStringBuilder settings, string parameter)
    {
        var equals = parameter.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            return false;
        }
        var value = Uri.UnescapeDataString(parameter[(equals + 1)..]);
        switch (parameter[..equals])
        {
            case "host":
                settings.Host = value;
                return true;
            case "port" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port):
                settings.Port = port;
                return true;
            case "user":
                settings.Username = value;
                return true;
            case "password":
                settings.Password = value;
                return true;
            case "dbname":
                settings.Database = value;
                return true;
            case "application_name":
                settings.ApplicationName = value;
                return true;
            case "options":
                settings.Options = value;
                return true;
            case "sslrootcert":
                settings.RootCertificate = value;
                return true;
            case "sslcert":
                settings.SslCertificate = value;
                return true;
            case "sslkey":
                settings.SslKey = value;
                return true;
            case "connect_timeout":
                return true;
            case "sslmode":
                SslMode? mode = value switch
                {
                    "disable" => SslMode.Disable,
                    "allow" => SslMode.Allow,
                    "prefer" => SslMode.Prefer,
                    "require" => SslMode.Require,
                    "verify-ca" => SslMode.VerifyCA,
                    "verify-full" => SslMode.VerifyFull,
                    _ => null,
                };
                settings.SslMode = mode ?? default;
                return mode is not null;
            default:
                return false;
        }
    }
}
