namespace Facteur.Tables.Types;

/// <summary>internal:name, a table that a program makes and fills for itself: who else opens one finds it empty, as in Postfix.</summary>
internal static class InternalTable
{
    public static ITable Open(TableRequest request) => new FixedTable(request.FullName, new MemoryContent([], request.Options), isPattern: false);
}
