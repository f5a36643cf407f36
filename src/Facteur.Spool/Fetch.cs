namespace Facteur.Spool;

/// <summary>How fetching a record ended.</summary>
internal enum FetchResult : byte
{
    Whole = 1,
    Gone = 2,
    Damaged = 3,
    Failed = 4,
}
