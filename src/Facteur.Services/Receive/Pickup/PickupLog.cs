using Facteur.Contracts;

namespace Facteur.Services.Receive.Pickup;

/// <summary>The lines of pickup(8) and of the submission service.</summary>
internal static class PickupLog
{
    public static void Message(ServiceLog log, string queueId, uint uid, string sender) => log.Info($"{queueId}: uid={uid} from=<{sender}>");

    public static void PutAside(ServiceLog log, string name, uint uid, string reason) =>
        log.Warning($"maildrop/{name}: uid={uid}: {reason}: moved to the corrupt queue");

    public static void CannotPutAside(ServiceLog log, string name, string reason) => log.Warning($"maildrop/{name}: can't be moved to the corrupt queue: {reason}");

    public static void CannotOpen(ServiceLog log, string name, string reason) => log.Warning($"open maildrop/{name}: {reason}");

    public static void CannotRead(ServiceLog log, string name, string reason) => log.Warning($"read maildrop/{name}: {reason}");

    public static void CannotRemove(ServiceLog log, string name, string reason) => log.Warning($"remove maildrop/{name}: {reason}");

    public static void CannotList(ServiceLog log, string path, string reason) => log.Warning($"scan_dir_push: open directory {path}: {reason}");

    public static void Later(ServiceLog log, string name, string status) => log.Warning($"maildrop/{name}: {status}: message will be tried again");

    public static void Refused(ServiceLog log, uint uid, string reason) => log.Warning($"submit: uid={uid}: {reason}");

    public static void TooManySessions(ServiceLog log, uint uid) => log.Warning($"submit: uid={uid}: too many sessions");
}
