using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Tables;

namespace Facteur.Services.Server;

/// <summary>
/// default_delivery_status_filter and its kin: tables from "4.4.1 text" to what is logged, kept and reported in its place. A delivery stays a success or
/// a failure; a failure may become final or temporary.
/// </summary>
public sealed class DeliveryStatusFilter
{
    private readonly Maps _maps;
    private readonly ServiceLog _log;

    private DeliveryStatusFilter(Maps maps, ServiceLog log) => (_maps, _log) = (maps, log);

    /// <summary>The filter of an entry, or null when it has none.</summary>
    /// <exception cref="ConfigException">A table is of a type that may have to wait: results are written where nothing waits.</exception>
    public static DeliveryStatusFilter? Of(IConfig config, StringParameter parameter, ITableSet? tables, ServiceLog log)
    {
        if (tables is null || config.Get(parameter).Length == 0)
        {
            return null;
        }
        var maps = Maps.Open(tables, parameter.Name, config.Get(parameter));
        return maps.Tables.FirstOrDefault(t => t.CanBlock) is { } slow
            ? throw new ConfigException($"{parameter.Name} = {config.Get(parameter)}: {slow.Name}: expected tables of files or patterns")
            : new DeliveryStatusFilter(maps, log);
    }

    /// <summary>What takes the place of a status; itself when nothing does, or nothing sensible.</summary>
    public DeliveryStatus Apply(DeliveryStatus status)
    {
        var text = $"{status.Status} {status.Reason}";
        var lookup = _maps.FindAsync(text, false, CancellationToken.None);
        // A file that has changed is being read anew, which takes no longer than reading a file.
        var found = lookup.IsCompleted ? lookup.Result : lookup.AsTask().GetAwaiter().GetResult();
        if (found.Status != LookupStatus.Found)
        {
            if (found.Status == LookupStatus.Error)
            {
                _log.Warning($"{_maps.Parameter}: lookup of \"{Printable.OneLine(text)}\": {found.Value}");
            }
            return status;
        }
        var value = Printable.OneLine(found.Value);
        if (!EnhancedStatus.TryParsePrefix(value, out var code, out var length) || code.Class is not (2 or 4 or 5) || (code.Class == 2) != (status.Status.Class == 2))
        {
            _log.Warning($"{_maps.Parameter}: bad status code: {value}");
            return status;
        }
        // Postfix: a code alone leaves the text as it is.
        var reason = value[length..].Trim() is { Length: > 0 } said ? said : status.Reason;
        reason = reason.Length > DeliveryStatus.ReasonLimit ? reason[..DeliveryStatus.ReasonLimit] : reason;
        return code.Class switch
        {
            2 => status with { Status = code, Reason = reason },
            4 => status with { Outcome = DeliveryOutcome.Deferred, Status = code, Reason = reason, Action = DsnAction.Delayed },
            _ => status with { Outcome = DeliveryOutcome.Bounced, Status = code, Reason = reason, Action = DsnAction.Failed },
        };
    }
}
