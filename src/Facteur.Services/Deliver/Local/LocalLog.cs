using Facteur.Contracts;

namespace Facteur.Services.Deliver.Local;

/// <summary>The lines of local(8) besides the line per recipient.</summary>
internal static class LocalLog
{
    public static void NestingLimit(ServiceLog log, string address) => log.Warning($"recipient nesting limit exceeded for {address}");

    public static void RequiredAliasMissing(ServiceLog log, string user) => log.Warning($"required alias not found: {user}");

    public static void AliasLookup(ServiceLog log, string table, string name, string reason) => log.Warning($"{table}: lookup of {name}: {reason}");

    public static void EmptyAlias(ServiceLog log, string name) => log.Warning($"no recipients in alias {name}");

    public static void IncludeLookup(ServiceLog log, string path, string reason) => log.Warning($"unable to lookup :include: file {path}: {reason}");

    public static void NotRegular(ServiceLog log, string path) => log.Warning($"file {path} is not a regular file");

    public static void WorldWritable(ServiceLog log, string path) => log.Warning($"file {path} is world writable");

    public static void TooLong(ServiceLog log, string path, int limit) => log.Warning($"file {path} is longer than {limit} bytes");

    public static void NotBuilt(ServiceLog log, string address, string what) => log.Warning($"{address}: {what} is not available in this release; mail is deferred");

    public static void TransportLookup(ServiceLog log, string parameter, string user, string reason) => log.Warning($"{parameter}: lookup of {user}: {reason}");

    public static void NoTransport(ServiceLog log, string queueId, string transport) => log.Warning($"{queueId}: transport {transport} is not in master.cf, or leads back here");

    public static void Passing(ServiceLog log, string queueId, string address, string transport) => log.Info($"{queueId}: passing <{address}> to transport={transport}");

    public static void ForwardRead(ServiceLog log, string path, string reason) => log.Warning($"unable to read {path}: {reason}");
}
