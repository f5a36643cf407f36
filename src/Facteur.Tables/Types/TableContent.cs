namespace Facteur.Tables.Types;

/// <summary>What a table held when its file was read; immutable, safe for many threads.</summary>
internal abstract class TableContent
{
    /// <summary>Looks up a key.</summary>
    public abstract Lookup Find(string key);

    /// <summary>The line that answers a key, from 1; 0 when answers have no lines, or not known here.</summary>
    public virtual int LineOf(string key) => 0;

    /// <summary>All entries; null when this kind can't list them.</summary>
    public virtual IEnumerable<KeyValuePair<string, string>>? Entries => null;
}
