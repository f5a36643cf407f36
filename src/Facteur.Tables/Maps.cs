using Facteur.Config;

namespace Facteur.Tables;

/// <summary>The value of a *_maps parameter: tables asked one after the other until one answers.</summary>
public sealed class Maps
{
    private readonly ITable[] _tables;

    private Maps(string parameter, ITable[] tables)
    {
        Parameter = parameter;
        _tables = tables;
    }

    /// <summary>Name of the parameter, for messages.</summary>
    public string Parameter { get; }

    /// <summary>There is no table.</summary>
    public bool IsEmpty => _tables.Length == 0;

    /// <summary>The tables, in order.</summary>
    public IReadOnlyList<ITable> Tables => _tables;

    /// <summary>Opens the tables of a parameter's value.</summary>
    /// <param name="tables">Where to open them.</param>
    /// <param name="parameter">The parameter's name.</param>
    /// <param name="value">Its expanded value.</param>
    public static Maps Open(ITableSet tables, string parameter, string value) =>
        new(parameter, [.. ListSyntax.Split(value).Select(tables.Open)]);

    /// <summary>The first answer for a key that is bytes, of tables opened for bytes. The bytes stay until it has completed.</summary>
    public async ValueTask<Lookup> FindAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        foreach (var table in _tables)
        {
            var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
            if (lookup.Status != LookupStatus.NotFound)
            {
                return lookup is { Status: LookupStatus.Found, Value.Length: 0 } ? Checked(lookup, table, System.Text.Encoding.Latin1.GetString(key.Span)) : lookup;
            }
        }
        return Lookup.NotFound;
    }

    /// <summary>The first answer that is not "not found".</summary>
    /// <param name="key">The key.</param>
    /// <param name="partial">The key is a part of the address (domain, user without extension): tables of patterns are not asked.</param>
    /// <param name="cancel">The caller's end.</param>
    public async ValueTask<Lookup> FindAsync(string key, bool partial, CancellationToken cancel)
    {
        if (key.Length == 0)
        {
            return Lookup.NotFound;
        }
        foreach (var table in _tables)
        {
            if (partial && table.IsPattern)
            {
                continue;
            }
            var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
            if (lookup.Status != LookupStatus.NotFound)
            {
                return Checked(lookup, table, key);
            }
        }
        return Lookup.NotFound;
    }

    // Postfix: an empty value is a mistake in the table, and no answer to act on.
    private Lookup Checked(Lookup lookup, ITable table, string key) =>
        lookup is { Status: LookupStatus.Found, Value.Length: 0 }
            ? Lookup.Error($"{Parameter} lookup of {key} returns an empty string result; {table.Name} should return NO RESULT in case of NOT FOUND")
            : lookup;
}
