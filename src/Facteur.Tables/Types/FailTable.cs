namespace Facteur.Tables.Types;

/// <summary>fail:anything: an error to all, for tests of a configuration.</summary>
internal static class FailTable
{
    public static ITable Open(TableRequest request) => new UnavailableTable(request.FullName, "Application error");
}
