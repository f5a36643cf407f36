namespace Facteur.Tables;

/// <summary>A table whose entries can be listed (postmap -s).</summary>
public interface IListableTable : ITable
{
    /// <summary>All entries, in the table's order.</summary>
    /// <exception cref="TableException">The table can't be read.</exception>
    IEnumerable<KeyValuePair<string, string>> Entries();
}
