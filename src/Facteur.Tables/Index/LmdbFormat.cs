namespace Facteur.Tables.Index;

/// <summary>
/// The LMDB file format, data version 1, as LMDB 0.9 writes it on 64-bit little-endian machines and as every Postfix reads it. A file is pages
/// of one size; pages 0 and 1 are meta pages, of which the one with the higher transaction counts; the others form one B+tree.
/// A page: number (8), pad (2), flags (2), lower (2), upper (2), then 2-byte offsets of its nodes. A node: size or page low (2), high (2),
/// flags or page top (2), key size (2), key, value.
/// </summary>
internal static class LmdbFormat
{
    public const uint Magic = 0xBEEFC0DE;
    public const uint DataVersion = 1;
    public const int PageHeader = 16, NodeHeader = 8, PageSize = 4096, MaxKey = 511;
    public const ushort BranchPage = 1, LeafPage = 2, OverflowPage = 4, MetaPage = 8;
    public const ushort BigData = 1, SubData = 2, DupData = 4, IntegerKey = 8;
    public const ulong NoPage = ulong.MaxValue;

    /// <summary>A larger node's value goes to overflow pages, so that two fit in a page.</summary>
    public const int MaxNode = ((((PageSize - PageHeader) / 2) & ~1) - 2);

    /// <summary>Offsets in a meta page: magic, version, page size, map size, main tree's depth, branch, leaf and overflow pages, entries, root; last page, transaction.</summary>
    public const int AtMagic = 16, AtVersion = 20, AtMapSize = 32, AtPageSize = 40, AtFreeFlags = 44, AtFreeRoot = 80,
        AtDepth = 94, AtBranches = 96, AtLeaves = 104, AtOverflows = 112, AtEntries = 120, AtRoot = 128, AtLastPage = 136, AtTransaction = 144, MetaEnd = 152;
}
