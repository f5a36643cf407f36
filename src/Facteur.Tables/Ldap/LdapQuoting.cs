using System.Text;

namespace Facteur.Tables.Ldap;

/// <summary>Keys within filters and names.</summary>
internal static class LdapQuoting
{
    // RFC 4515 3: what has a meaning in a filter.
    private const string InFilter = "*()\\\0";

    // RFC 4514 2.4: what has a meaning in a name (a space at either end, # at its begin: everywhere, as Postfix does).
    private const string InName = " \t\"#+,;<>=\\\0";

    /// <summary>A value within a filter.</summary>
    public static string Filter(string text) => Escape(text, InFilter);

    /// <summary>A value within a distinguished name.</summary>
    public static string Name(string text) => Escape(text, InName);

    private static string Escape(string text, string special)
    {
        if (text.AsSpan().IndexOfAny(special) < 0)
        {
            return text;
        }
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            _ = special.Contains(c) ? escaped.Append($"\\{(int)c:X2}") : escaped.Append(c);
        }
        return escaped.ToString();
    }
}
