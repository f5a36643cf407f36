using System.Text;

namespace Facteur.Tables.Databases;

/// <summary>
/// The %-templates of a database table: %s %u %d %1 … %9 and, in results, %S %U %D for the key. What one template needs of a key, all need:
/// a key that lacks it is not asked for (Postfix: db_common).
/// </summary>
internal sealed class KeyTemplates
{
    private readonly string _table;
    private int _labels;
    private bool _keyUser, _keyDomain, _valueUser, _valueDomain;

    /// <summary>Makes an empty set.</summary>
    /// <param name="table">The table's name, for errors.</param>
    public KeyTemplates(string table) => _table = table;

    /// <summary>How one word of a template is written into what it is a template of.</summary>
    /// <param name="text">The word.</param>
    public delegate string Quoting(string text);

    /// <summary>Adds a template.</summary>
    /// <param name="text">The template.</param>
    /// <param name="isQuery">Its %s is the key; else it is a result.</param>
    /// <returns>Whether it contains anything of a key or result.</returns>
    /// <exception cref="TableException">It has a letter after % that means nothing.</exception>
    public bool Add(string text, bool isQuery)
    {
        var dynamic = false;
        for (var i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 2))
        {
            var letter = i + 1 < text.Length ? text[i + 1] : '\0';
            dynamic |= letter != '%';
            switch (letter)
            {
                case '%' or 's' or 'S':
                    break;
                case 'u' when !isQuery:
                    _valueUser = true;
                    break;
                case 'd' when !isQuery:
                    _valueDomain = true;
                    break;
                case 'u' or 'U':
                    _keyUser = true;
                    break;
                case 'd' or 'D':
                    _keyDomain = true;
                    break;
                case >= '1' and <= '9':
                    _keyDomain = true;
                    _labels = Math.Max(_labels, letter - '0');
                    break;
                default:
                    throw new TableException($"db_common_parse: {_table}: Invalid {(isQuery ? "query" : "result")} template: {text}");
            }
            if (i + 2 > text.Length - 1)
            {
                break;
            }
        }
        return dynamic;
    }

    /// <summary>Whether a key has what the templates need.</summary>
    public bool Suits(string key) =>
        key.Length > 0
        && Domain(key) is var domain
        && (domain is { Length: > 0 } || !_keyDomain)
        && !(_keyUser && key[0] == '@' && domain?.Length == key.Length - 1)
        && (_labels == 0 || Labels(domain!).Length >= _labels);

    /// <summary>A query for a key that suits.</summary>
    public static string Query(string template, string key, Quoting quoting)
    {
        var query = new StringBuilder(template.Length + key.Length);
        Expand(template, key, key, quoting, query);
        return query.ToString();
    }

    /// <summary>Adds a value to a result, after a comma when there is one before.</summary>
    /// <param name="template">result_format.</param>
    /// <param name="value">A value, not empty.</param>
    /// <param name="key">The key.</param>
    /// <param name="result">The result.</param>
    /// <returns>False when the value lacks what the template needs.</returns>
    public bool TryResult(string template, string value, string key, StringBuilder result)
    {
        var domain = _valueDomain || _valueUser ? Domain(value) : null;
        if ((_valueDomain && string.IsNullOrEmpty(domain)) || (_valueUser && domain is not null && domain.Length == value.Length - 1))
        {
            return false;
        }
        if (result.Length > 0)
        {
            result.Append(',');
        }
        Expand(template, value, key, static text => text, result);
        return true;
    }

    private static void Expand(string template, string value, string key, Quoting quoting, StringBuilder to)
    {
        for (var i = 0; i < template.Length; i++)
        {
            if (template[i] != '%' || i + 1 == template.Length)
            {
                to.Append(template[i]);
                continue;
            }
            var letter = template[++i];
            to.Append(letter switch
            {
                's' => quoting(value),
                'S' => quoting(key),
                'u' => quoting(User(value)),
                'U' => quoting(User(key)),
                'd' => quoting(Domain(value) ?? ""),
                'D' => quoting(Domain(key) ?? ""),
                >= '1' and <= '9' => quoting(Labels(Domain(key) ?? "")[^(letter - '0')]),
                _ => "%",
            });
        }
    }

    private static string User(string address) => address.LastIndexOf('@') is >= 0 and var at ? address[..at] : address;

    private static string? Domain(string address) => address.LastIndexOf('@') is >= 0 and var at ? address[(at + 1)..] : null;

    private static string[] Labels(string domain) => domain.Split('.', StringSplitOptions.RemoveEmptyEntries);
}
