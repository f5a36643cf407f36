namespace Facteur.Tables;

/// <summary>A table can't be opened, read or written; the message says why.</summary>
public sealed class TableException(string message) : Exception(message);
