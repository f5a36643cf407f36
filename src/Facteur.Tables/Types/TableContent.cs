namespace Facteur.Tables.Types;

/// <summary>What a table held when its file was read; immutable, safe for many threads.</summary>
internal abstract class TableContent
{
    /// <summary>Looks up a key.</summary>
    public abstract Lookup Find(string key);

    /// <summary>Looks up a key that is bytes, in tables that are not UTF-8 (<see cref="TableOptions.Utf8"/>).</summary>
    public virtual Lookup Find(ReadOnlySpan<byte> key) => Find(System.Text.Encoding.Latin1.GetString(key));

    /// <summary>All entries; null when this kind can't list them.</summary>
    public virtual IEnumerable<KeyValuePair<string, string>>? Entries => null;
}
