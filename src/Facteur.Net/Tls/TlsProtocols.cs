using System.Security.Authentication;

namespace Facteur.Net.Tls;

/// <summary>Protocol lists such as ">=TLSv1, !TLSv1.1" and the names of protocols.</summary>
public static class TlsProtocols
{
#pragma warning disable CS0618, SYSLIB0039, CA5397 // Old protocols are the administrator's decision; OpenSSL's own policy still applies.
    private static readonly (string Name, int Version, SslProtocols Flag)[] Known =
    [
        ("SSLv2", 0x0200, SslProtocols.None), ("SSLv3", 0x0300, SslProtocols.None), ("TLSv1", 0x0301, SslProtocols.Tls), ("TLSv1.1", 0x0302, SslProtocols.Tls11),
        ("TLSv1.2", 0x0303, SslProtocols.Tls12), ("TLSv1.3", 0x0304, SslProtocols.Tls13),
    ];
#pragma warning restore CS0618, SYSLIB0039, CA5397

    /// <summary>The protocols of a list; null when an element is not known. Names alone include, "!name" excludes, ">=name" and "&lt;=name" bound.</summary>
    public static SslProtocols? Parse(string list)
    {
        var included = 0;
        var excluded = 0;
        var (low, high) = (0, int.MaxValue);
        foreach (var element in list.Split([',', ' ', '\t', ':'], StringSplitOptions.RemoveEmptyEntries))
        {
            var name = element.AsSpan().TrimStart("!<>=");
            var at = IndexOf(name);
            if (at < 0)
            {
                return null;
            }
            switch (element[..(element.Length - name.Length)])
            {
                case "":
                    included |= 1 << at;
                    break;
                case "!":
                    excluded |= 1 << at;
                    break;
                case ">=":
                    low = Known[at].Version;
                    break;
                case "<=":
                    high = Known[at].Version;
                    break;
                default:
                    return null;
            }
        }
        var flags = SslProtocols.None;
        for (var i = 0; i < Known.Length; i++)
        {
            var allowed = (included == 0 || (included & 1 << i) != 0) && (excluded & 1 << i) == 0 && Known[i].Version >= low && Known[i].Version <= high;
            flags |= allowed ? Known[i].Flag : SslProtocols.None;
        }
        return flags;
    }

    /// <summary>A protocol's name in logs and headers.</summary>
    public static string Name(SslProtocols protocol)
    {
        foreach (var (name, _, flag) in Known)
        {
            if (flag == protocol && flag != SslProtocols.None)
            {
                return name;
            }
        }
        return "unknown";
    }

    private static int IndexOf(ReadOnlySpan<char> name)
    {
        for (var i = 0; i < Known.Length; i++)
        {
            if (name.Equals(Known[i].Name, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }
        return -1;
    }
}
