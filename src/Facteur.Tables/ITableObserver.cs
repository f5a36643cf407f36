namespace Facteur.Tables;

/// <summary>Sees what tables and match lists answer ("facteur explain"). Called on the thread that asks.</summary>
public interface ITableObserver
{
    /// <summary>A table was asked.</summary>
    /// <param name="table">"type:name".</param>
    /// <param name="key">The key, as it was asked for.</param>
    /// <param name="lookup">Its answer.</param>
    /// <param name="place">Where the answer stands, "file:line"; null where it has no line.</param>
    void OnLookup(string table, string key, Lookup lookup, string? place);

    /// <summary>A match list (mynetworks, relay_domains) was asked.</summary>
    /// <param name="parameter">Its parameter.</param>
    /// <param name="subject">The domain or address.</param>
    /// <param name="status">Found when it matched.</param>
    /// <param name="element">The element that decided, with its "!"; null when none did.</param>
    void OnMatch(string parameter, string subject, LookupStatus status, string? element);
}
