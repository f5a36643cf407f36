using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>The lines of local(8) besides the line per recipient.</summary>
internal static class LocalLog
{
    public static void NestingLimit(ServiceLog log, string address) => log.Warning($"recipient nesting limit exceeded for {address}");

    public static void RequiredAliasMissing(ServiceLog log, string user) => log.Warning($"required alias not found: {user}");

    public static void LookupFailed(ServiceLog log, string table, string name, string reason) => log.Warning($"{table}: lookup of {name}: {reason}");

    public static void EmptyAlias(ServiceLog log, string name) => log.Warning($"no recipient in alias lookup result for {name}");

    public static void IncludeLookup(ServiceLog log, string path, string reason) => log.Warning($"unable to lookup :include: file {path}: {reason}");

    public static void IncludeRelative(ServiceLog log, string path) => log.Warning($":include:{path} uses a relative path");

    public static void IncludeNotRegular(ServiceLog log, string path) => log.Warning($":include: file {path} is not a regular file");

    public static void IncludeWorldWritable(ServiceLog log, string path) => log.Warning($":include: file {path} is world writable");

    public static void HomeUnknown(ServiceLog log, string what, string name) => log.Warning($"{what} home directory{(what == "bad" ? " syntax" : "")} for: {name}");

    public static void NotRegular(ServiceLog log, string path) => log.Warning($"file {path} is not a regular file");

    public static void WorldWritable(ServiceLog log, string path) => log.Warning($"file {path} is world writable");

    public static void TooLong(ServiceLog log, string path, int limit) => log.Warning($"file {path} is longer than {limit} bytes");

    public static void ForwardRead(ServiceLog log, string path, string reason) => log.Warning($"unable to read {path}: {reason}");

    public static void BadOwner(ServiceLog log, string path, uint owner) => log.Warning($"file {path} has bad owner uid {owner}");

    public static void NoAliasOwner(ServiceLog log, string table) => log.Warning($"cannot find alias database owner for {table}");

    /// <summary>In Postfix the child says so, and ends.</summary>
    public static void NotStarted(ServiceLog log, CommandJob job, UserIdentity who, CommandEnd end)
    {
        const string said = "local: fatal: ";
        if (end.Output.StartsWith(said, StringComparison.Ordinal))
        {
            log.Fatal(end.Output[said.Length..].TrimEnd());
        }
        else if (job.NeedsDirectory && end.Number is Libc.ENOENT or Libc.ENOTDIR or Libc.EACCES)
        {
            log.Fatal($"cannot change directory to \"{job.Directory}\" for uid={who.Uid} gid={who.Gid}: {Errno.Text(end.Number)}");
        }
        else
        {
            log.Warning($"cannot run command \"{job.Command}\": {Errno.Text(end.Number)}");
        }
    }

    public static void Passing(ServiceLog log, string queueId, string address, string transport) => log.Info($"{queueId}: passing <{address}> to transport={transport}");

    public static void NoTransport(ServiceLog log, string queueId, string transport) =>
        log.Warning($"{queueId}: mail transport {transport}: no such service in master.cf, or it leads back to local");

    public static void UserLookup(ServiceLog log, string user, int errno) => log.Warning($"error looking up passwd info for {user}: {Errno.Text(errno)}");

    public static void IllegalExtension(ServiceLog log, string queueId, string local) => log.Warning($"{queueId}: address with illegal extension: {local}");
}
