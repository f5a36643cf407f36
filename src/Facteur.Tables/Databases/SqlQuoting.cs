using System.Text;

namespace Facteur.Tables.Databases;

/// <summary>Text within quotes of SQL, for which there is no parameter: the administrator's query has its own quotes. All of it is UTF-8 on the wire, so that no byte of a character is ever a quote.</summary>
internal static class SqlQuoting
{
    /// <summary>Standard SQL: a quote is two (SQLite, PostgreSQL).</summary>
    public static string Standard(string text) => text.Replace("'", "''", StringComparison.Ordinal);

    /// <summary>PostgreSQL with standard_conforming_strings = off, where a backslash means something.</summary>
    public static string Backslashes(string text) => Standard(text).Replace("\\", "\\\\", StringComparison.Ordinal);

    /// <summary>MySQL, with backslashes.</summary>
    public static string Mysql(string text)
    {
        if (text.AsSpan().IndexOfAny("\\'\"\n\r\0\u001a") < 0)
        {
            return text;
        }
        var quoted = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '\0' => "\\0",
                '\n' => "\\n",
                '\r' => "\\r",
                '\u001a' => "\\Z",
                '\\' or '\'' or '"' => $"\\{c}",
                _ => c.ToString(),
            });
        }
        return quoted.ToString();
    }
}
