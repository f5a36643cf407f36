namespace Facteur.Tables.Types;

/// <summary>A table whose answers stand in lines of a file.</summary>
internal interface IPlacedTable
{
    /// <summary>"file:line" of the answer to a key; null when it has none. For explanations: tables that nobody observes know none of indexes.</summary>
    string? PlaceOf(string key);
}
