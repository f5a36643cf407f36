namespace Facteur.Tables.Databases;

/// <summary>A table that is a query of a database.</summary>
internal abstract class SqlTable : DatabaseTable
{
    private readonly string _query;

    /// <summary>Reads the query: whole, or made of the parts of old configurations.</summary>
    protected SqlTable(TableRequest request, SourceSettings settings)
        : base(request, settings)
    {
        // Postfix asks for the database first; one that an option file or the user's name says is good enough where there is a query.
        var database = request.Type == "sqlite" ? "dbpath" : "dbname";
        if (settings.Text(database).Length == 0 && (request.Type == "sqlite" || settings.Find("query") is null))
        {
            throw new TableException(settings.TooShort(database));
        }
        var function = request.Type == "pgsql" ? settings.Find("select_function") : null;
        _query = settings.Find("query") ?? (function is { Length: > 0 } ? $"SELECT {function}('%s')" : OldQuery(settings));
        Templates.Add(_query, isQuery: true);
    }

    /// <summary>The query for a key.</summary>
    protected string Query(string key, KeyTemplates.Quoting quoting) => KeyTemplates.Query(_query, key, quoting);

    /// <summary>Whether the query has a character.</summary>
    protected bool QueryHas(char character) => _query.Contains(character);

    /// <summary>Whether the query has a part of the key between double quotes, which end at one in the key: where only single quotes are doubled, that is an injection.</summary>
    protected bool KeyIsInDoubleQuotes()
    {
        var quote = '\0';
        for (var i = 0; i < _query.Length; i++)
        {
            var c = _query[i];
            if (c is '\'' or '"')
            {
                quote = quote == c ? '\0' : quote == '\0' ? c : quote;
            }
            else if (c == '%')
            {
                i++;
                if (quote == '"' && i < _query.Length && _query[i] != '%')
                {
                    return true;
                }
            }
        }
        return false;
    }

    private static string OldQuery(SourceSettings settings)
    {
        string Part(string name) => settings.Find(name) is { Length: > 0 } text ? text : throw new TableException(settings.TooShort(name));
        var (table, field, where) = (Part("table"), Part("select_field"), Part("where_field"));
        return $"SELECT {field} FROM {table} WHERE {where} = '%s' {settings.Text("additional_conditions")}".TrimEnd();
    }
}
