namespace Facteur.Tables.Types;

/// <summary>What a table held when its file was read; immutable, safe for many threads.</summary>
internal abstract class TableContent
{
    /// <summary>Looks up a key.</summary>
    public abstract Lookup Find(string key);

    /// <summary>Looks up a key that is bytes, in tables that are not UTF-8 (<see cref="TableOptions.Utf8"/>).</summary>
    public virtual Lookup Find(ReadOnlySpan<byte> key) => Find(System.Text.Encoding.Latin1.GetString(key));

    /// <summary>The line that answers a key, from 1; 0 when answers have no lines, or not known here.</summary>
    public virtual int LineOf(string key) => 0;

    /// <summary>All entries; null when this kind can't list them.</summary>
    public virtual IEnumerable<KeyValuePair<string, string>>? Entries => null;
}
