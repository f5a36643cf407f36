namespace Facteur.Tables.Text;

/// <summary>A line of a table's text.</summary>
/// <param name="Line">The number of its first line, from 1.</param>
/// <param name="Key">The key, not folded.</param>
/// <param name="Value">The value.</param>
public readonly record struct TableEntry(int Line, string Key, string Value);
