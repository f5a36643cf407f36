using Facteur.Tables.Cache;

namespace Facteur.Services.Report.Verify;

/// <summary>The results of probes, in the table that address_verify_map names. An entry that makes no sense is none. Safe for many threads.</summary>
/// <param name="map">address_verify_map.</param>
/// <param name="log">The log.</param>
/// <param name="time">The clock.</param>
/// <param name="readOnly">The file is another process's: nothing is written.</param>
internal sealed class VerifyCache(string map, VerifyLog log, TimeProvider time, bool readOnly = false) : IDisposable
{
    /// <summary>Most addresses.</summary>
    public const int Limit = 100_000;

    private readonly TableCache _table = new(map, Limit, log, time, readOnly);

    /// <summary>Addresses known.</summary>
    public int Count => _table.Count;

    /// <summary>What is known of an address.</summary>
    public bool TryGet(string address, out VerifyEntry entry)
    {
        entry = default;
        return _table.TryGet(address, out var text) && VerifyEntry.TryParse(text, out entry);
    }

    /// <summary>Keeps an entry.</summary>
    public void Set(string address, in VerifyEntry entry) => _table.Update(address, entry.ToString());

    /// <summary>Forgets an address.</summary>
    public void Remove(string address) => _table.Delete(address);

    /// <summary>Takes out what is too old.</summary>
    /// <returns>How many stayed and how many went.</returns>
    public (int Retained, int Dropped) Clean(Func<VerifyEntry, bool> isOld) => _table.Clean((_, text) => !VerifyEntry.TryParse(text, out var entry) || isOld(entry));

    /// <summary>The file is another's from now on.</summary>
    public void Leave() => _table.Leave();

    /// <inheritdoc/>
    public void Dispose() => _table.Dispose();
}
