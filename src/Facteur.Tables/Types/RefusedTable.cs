namespace Facteur.Tables.Types;

/// <summary>nis:, nisplus:, netinfo: services of networks that are gone. Their names are known so that the refusal can say more than "unsupported".</summary>
internal static class RefusedTable
{
    public static ITable Open(TableRequest request) =>
        throw new TableException($"unsupported dictionary type: {request.Type}: NIS, NIS+ and NetInfo are not asked; copy the map to a file (\"ypcat -k\") and use hash:");
}
