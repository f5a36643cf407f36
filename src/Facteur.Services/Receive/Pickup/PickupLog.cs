using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;

namespace Facteur.Services.Receive.Pickup;

/// <summary>The lines of pickup(8) and of the submission service.</summary>
internal static class PickupLog
{
    public static void Message(ServiceLog log, string queueId, uint uid, string sender) => log.Info($"{queueId}: uid={uid} from=<{log.Address(sender)}>");

    public static void Requeued(ServiceLog log, string queueId, uint uid, string sender, string original) =>
        log.Info($"{queueId}: uid={uid} from=<{log.Address(sender)}> orig_id={original}");

    public static void PutAside(ServiceLog log, string name, uint uid, string reason) =>
        log.Warning($"maildrop/{name}: uid={uid}: {reason}: moved to the corrupt queue");

    public static void CannotPutAside(ServiceLog log, string name, string reason) => log.Warning($"maildrop/{name}: can't be moved to the corrupt queue: {reason}");

    public static void CannotOpen(ServiceLog log, string name, string reason) => log.Warning($"open maildrop/{name}: {reason}");

    public static void CannotRead(ServiceLog log, string name, string reason) => log.Warning($"read maildrop/{name}: {reason}");

    public static void CannotRemove(ServiceLog log, string name, string reason) => log.Warning($"remove maildrop/{name}: {reason}");

    public static void CannotList(ServiceLog log, string path, string reason) => log.Warning($"scan_dir_push: open directory {path}: {reason}");

    public static void Waits(ServiceLog log, string path) => log.Warning($"{path}: another pickup still takes files out: waiting for its end");

    public static void Later(ServiceLog log, string name, string status) => log.Warning($"maildrop/{name}: {status}: message will be tried again");

    public static void Failed(ServiceLog log, string name, Exception e) => log.Error($"maildrop/{name}: {e}: message will be tried again");

    public static void Failed(ServiceLog log, Exception e) => log.Error($"look into maildrop: {e}");

    // The line of a delivery that failed, as Postfix's cleanup logs it.
    public static void Bounced(ServiceLog log, string queueId, string recipient, long ageMicros, DeliveryStatus status)
    {
        Span<char> buffer = stackalloc char[24];
        var age = buffer[..DeliveryLog.FormatDelay(ageMicros, DeliveryLog.ResolutionDefault, buffer)];
        log.Info($"{queueId}: to=<{log.Address(recipient)}>, relay=none, delay={age}, delays={age}/0/0/0, dsn={status.Status}, status=bounced ({status.Reason})");
    }

    public static void Refused(ServiceLog log, uint uid, string reason) => log.Warning($"submit: uid={uid}: {reason}");

    public static void TooManySessions(ServiceLog log, uint uid) => log.Warning($"submit: uid={uid}: too many sessions");
}
