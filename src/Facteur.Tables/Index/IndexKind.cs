namespace Facteur.Tables.Index;

/// <summary>The files in which postmap keeps tables. hash:, btree:, dbm: and sdbm: are LMDB files like lmdb: (docs/decisions/0008).</summary>
/// <param name="Suffix">What follows the name of the text.</param>
/// <param name="NulTerminated">Whether Postfix ends keys and values with NUL when nobody says so.</param>
/// <param name="MaxKey">Longest key, bytes.</param>
/// <param name="Open">Reads a file.</param>
/// <param name="Write">Writes a whole file.</param>
internal sealed record IndexKind(string Suffix, bool NulTerminated, int MaxKey, Func<string, IEntries> Open, Action<Stream, EntryStore> Write)
{
    private static readonly IndexKind Lmdb = new(".lmdb", NulTerminated: true, LmdbFormat.MaxKey, LmdbFile.Open, (file, store) => new LmdbWriter(file).Write(store));

    private static readonly IndexKind Cdb = new(".cdb", NulTerminated: false, int.MaxValue, CdbFile.Open, (file, store) => new CdbWriter(file).Write(store));

    /// <summary>Types of tables that have such a file.</summary>
    public static IReadOnlyList<string> Types { get; } = ["btree", "cdb", "dbm", "hash", "lmdb", "sdbm"];

    /// <summary>Whether Postfix's file of a type is read where there is none of ours.</summary>
    public static bool HasBerkeley(string type) => type is "hash" or "btree";

    /// <summary>The kind of a type's file.</summary>
    public static IndexKind Of(string type) => type == "cdb" ? Cdb : Lmdb;
}
