namespace Facteur.Tables;

/// <summary>What opens a table of one type.</summary>
/// <param name="request">What to open.</param>
/// <exception cref="TableException">It can't be opened.</exception>
internal delegate ITable TableOpener(TableRequest request);

/// <summary>A table to open.</summary>
/// <param name="Set">The set that opens it, for tables made of tables.</param>
/// <param name="FullName">"type:name".</param>
/// <param name="Type">Its type.</param>
/// <param name="Argument">What follows "type:".</param>
internal sealed record TableRequest(TableSet Set, string FullName, string Type, string Argument)
{
    /// <summary>How.</summary>
    public TableOptions Options => Set.Options;

    /// <summary>Where its warnings go.</summary>
    public ITableEvents Events => Set.Events;
}
