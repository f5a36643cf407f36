using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>pipe's log lines beside those of each recipient.</summary>
internal static class PipeLog
{
    public static void BadService(ServiceLog log, string service, string reason) => log.Fatal($"service {service}: {reason}");

    public static void UnknownMacro(ServiceLog log, string masterCf, string service, string name) =>
        log.Warning($"file {masterCf}: service {service}: {(name.Length > 0 ? $"unknown macro name: \"{name}\"" : "truncated macro reference")}");

    public static void SingleRecipient(ServiceLog log, char flag, string service) => log.Warning($"pipe flag `{flag}' requires {service}_destination_recipient_limit = 1");

    public static void TimedOut(ServiceLog log) => log.Warning("pipe_command_read: read time limit exceeded");

    public static void NotStarted(ServiceLog log, PipeCommand command, UserIdentity who, CommandEnd end)
    {
        const string by = "pipe: fatal: ";
        log.Fatal(end.Output.StartsWith(by, StringComparison.Ordinal) ? end.Output[by.Length..].TrimEnd()
            : command.Directory.Length > 0 ? $"cannot change directory to \"{command.Directory}\" for uid={who.Uid} gid={who.Gid}: {Errno.Text(end.Number)}"
            : $"no process for {who}{(who.Root.Length > 0 ? $" in {who.Root}" : "")}: {Errno.Text(end.Number)}");
    }
}
