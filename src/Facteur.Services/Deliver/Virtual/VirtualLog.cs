using Facteur.Contracts;

namespace Facteur.Services.Deliver.Virtual;

/// <summary>The lines of virtual(8) besides the line per recipient.</summary>
internal static class VirtualLog
{
    public static void NotFound(ServiceLog log, string recipient, string map) => log.Warning($"recipient {recipient}: not found in {map}");

    public static void BadNumber(ServiceLog log, string recipient, string kind, string value, string map) =>
        log.Warning($"recipient {recipient}: bad {kind} {value} in {map}");

    public static void LookupFailed(ServiceLog log, string map, string recipient, string reason) => log.Warning($"{map}: lookup of {recipient}: {reason}");
}
