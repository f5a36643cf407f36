namespace Facteur.Tables;

/// <summary>Opens tables and shares those opened under the same name.</summary>
public interface ITableSet
{
    /// <summary>
    /// Opens "type:name". Never throws: what can't be opened is a table that answers lookups with an error until it can, and is logged
    /// (Postfix: daemon_table_open_error_is_fatal = no).
    /// </summary>
    ITable Open(string name);
}
