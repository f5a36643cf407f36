using System.Text;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Expands a recipient through virtual_alias_maps until nothing maps any more.</summary>
internal sealed class VirtualAliases(CleanupOptions options, AddressMapper mapper, CleanupLog log, string queueId)
{
    /// <summary>What the sender is told of an expansion that went out of bounds.</summary>
    public const string ErrorText = "4.6.0 Alias expansion error";

    /// <summary>
    /// The addresses a recipient expands into, itself when nothing maps. Null when a limit was reached or a table could not answer, which was logged.
    /// An address that expands into itself is final.
    /// </summary>
    public async ValueTask<List<string>?> ExpandAsync(string recipient, CancellationToken cancel)
    {
        var addresses = new List<string> { recipient };
        HashSet<string>? final = null;
        var parameter = options.VirtualAliases.Parameter;
        // Results are put in place of what they come from and looked at again; others are added at the end.
        for (var i = 0; i < addresses.Count; i++)
        {
            if (addresses.Count > options.ExpansionLimit)
            {
                log.ExpansionTooLarge(queueId, parameter, recipient);
                return null;
            }
            for (var depth = 0; final is null || !final.Contains(addresses[i]); depth++)
            {
                if (depth >= options.RecursionLimit)
                {
                    log.NestingTooDeep(queueId, parameter, recipient);
                    return null;
                }
                var failed = mapper.Failed;
                mapper.Failed = false;
                var results = await mapper.LookupAsync(options.VirtualAliases, addresses[i], options.PropagateVirtual, cancel).ConfigureAwait(false);
                if (mapper.Failed)
                {
                    log.LookupProblem(queueId, parameter, recipient);
                    return null;
                }
                mapper.Failed = failed;
                if (results is null)
                {
                    break;
                }
                var from = addresses[i];
                for (var k = 0; k < results.Count; k++)
                {
                    if (Encoding.UTF8.GetByteCount(results[k]) > options.AliasLengthLimit)
                    {
                        log.ResultTooLong(queueId, parameter, results[k]);
                        return null;
                    }
                    if (k == 0)
                    {
                        addresses[i] = results[k];
                    }
                    else
                    {
                        addresses.Add(results[k]);
                    }
                    if (results[k].Equals(from, StringComparison.OrdinalIgnoreCase))
                    {
                        (final ??= new HashSet<string>(StringComparer.OrdinalIgnoreCase)).Add(from);
                    }
                }
            }
        }
        return addresses;
    }
}
