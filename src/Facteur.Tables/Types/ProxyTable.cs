using Facteur.Config.Parameters;

namespace Facteur.Tables.Types;

/// <summary>
/// proxy:type:name. Postfix asks proxymap(8), so that many processes share open tables and connections; here one process hosts many sessions, so the table is opened in it.
/// As there, only what proxy_read_maps names.
/// </summary>
internal static class ProxyTable
{
    public static ITable Open(TableRequest request)
    {
        if (request.Options.SecuritySensitive)
        {
            throw new TableException($"{request.FullName}: proxy map is not allowed for security sensitive data");
        }
        if (!request.Set.Proxied.Contains(request.Argument))
        {
            ProxiedTables.TellUnapproved(request.Argument, "read-only", TablesParameters.ProxyReadMaps.Name, request.Events);
            throw new TableException($"proxymap service is not configured for table \"{request.Argument}\"");
        }
        return request.Set.OpenOrThrow(request.Argument);
    }
}
