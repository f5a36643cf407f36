namespace Facteur.Tables.Types;

/// <summary>What a table held when its file was read; immutable, safe for many threads.</summary>
internal abstract class TableContent
{
    /// <summary>Looks up a key.</summary>
    public abstract Lookup Find(string key);

    /// <summary>All entries; null when this kind can't list them.</summary>
    public virtual IEnumerable<KeyValuePair<string, string>>? Entries => null;
}
