namespace Facteur.Tables.Types;

/// <summary>proxy:type:name. Postfix asks proxymap(8), so that many processes share open tables and connections; here one process hosts many sessions, so the table is opened in it.</summary>
internal static class ProxyTable
{
    public static ITable Open(TableRequest request) =>
        request.Options.SecuritySensitive
            ? throw new TableException($"{request.FullName}: proxy map is not allowed for security sensitive data")
            : request.Set.OpenOrThrow(request.Argument);
}
