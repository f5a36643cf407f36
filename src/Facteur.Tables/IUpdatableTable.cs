namespace Facteur.Tables;

/// <summary>A table that the system itself writes entry by entry: a cache. Neither ever throws for what a database does.</summary>
public interface IUpdatableTable : ITable
{
    /// <summary>Puts an entry, in place of the one that has its key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Null, or why it is not there now.</returns>
    ValueTask<string?> UpdateAsync(string key, string value, CancellationToken cancel);

    /// <summary>Removes an entry.</summary>
    /// <returns>Found when it was there.</returns>
    ValueTask<Lookup> DeleteAsync(string key, CancellationToken cancel);
}
