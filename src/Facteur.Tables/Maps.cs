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
    public ValueTask<Lookup> FindAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        for (var i = 0; i < _tables.Length; i++)
        {
            var asked = _tables[i].LookupAsync(key, cancel);
            if (!asked.IsCompletedSuccessfully)
            {
                return WaitAsync(asked, i, key, cancel);
            }
            var lookup = asked.Result;
            if (lookup.Status != LookupStatus.NotFound)
            {
                return new(Checked(lookup, _tables[i], key.Span));
            }
        }
        return new(Lookup.NotFound);
    }

    private async ValueTask<Lookup> WaitAsync(ValueTask<Lookup> asked, int index, ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        var lookup = await asked.ConfigureAwait(false);
        while (lookup.Status == LookupStatus.NotFound && ++index < _tables.Length)
        {
            lookup = await _tables[index].LookupAsync(key, cancel).ConfigureAwait(false);
        }
        return lookup.Status == LookupStatus.NotFound ? lookup : Checked(lookup, _tables[index], key.Span);
    }

    /// <summary>The first answer that is not "not found".</summary>
    /// <param name="key">The key.</param>
    /// <param name="partial">The key is a part of the address (domain, user without extension): tables of patterns are not asked.</param>
    /// <param name="cancel">The caller's end.</param>
    public ValueTask<Lookup> FindAsync(string key, bool partial, CancellationToken cancel)
    {
        for (var i = 0; i < _tables.Length && key.Length > 0; i++)
        {
            if (partial && _tables[i].IsPattern)
            {
                continue;
            }
            var asked = _tables[i].LookupAsync(key, cancel);
            if (!asked.IsCompletedSuccessfully)
            {
                return WaitAsync(asked, i, key, partial, cancel);
            }
            var lookup = asked.Result;
            if (lookup.Status != LookupStatus.NotFound)
            {
                return new(Checked(lookup, _tables[i], key));
            }
        }
        return new(Lookup.NotFound);
    }

    private async ValueTask<Lookup> WaitAsync(ValueTask<Lookup> asked, int index, string key, bool partial, CancellationToken cancel)
    {
        var lookup = await asked.ConfigureAwait(false);
        while (lookup.Status == LookupStatus.NotFound && ++index < _tables.Length)
        {
            lookup = partial && _tables[index].IsPattern ? lookup : await _tables[index].LookupAsync(key, cancel).ConfigureAwait(false);
        }
        return lookup.Status == LookupStatus.NotFound ? lookup : Checked(lookup, _tables[index], key);
    }

    // Postfix: an empty value is a mistake in the table, and no answer to act on.
    private Lookup Checked(Lookup lookup, ITable table, ReadOnlySpan<byte> key) =>
        lookup is { Status: LookupStatus.Found, Value.Length: 0 } ? Checked(lookup, table, System.Text.Encoding.Latin1.GetString(key)) : lookup;

    private Lookup Checked(Lookup lookup, ITable table, string key) =>
        lookup is { Status: LookupStatus.Found, Value.Length: 0 }
            ? Lookup.Error($"{Parameter} lookup of {key} returns an empty string result; {table.Name} should return NO RESULT in case of NOT FOUND")
            : lookup;
}
