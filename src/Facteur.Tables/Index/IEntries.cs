namespace Facteur.Tables.Index;

/// <summary>Keys and values as bytes: an index that was read, or one that is being made. Reading is safe for many threads.</summary>
internal interface IEntries
{
    /// <summary>Whose file it was when it was read.</summary>
    uint Owner { get; }

    /// <summary>Finds a key's value.</summary>
    /// <exception cref="TableException">The file is damaged.</exception>
    bool TryGet(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);

    /// <summary>All entries, in the order of the file.</summary>
    /// <exception cref="TableException">The file is damaged.</exception>
    IEnumerable<KeyValuePair<byte[], byte[]>> Entries();
}
