using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Master;

/// <summary>What the spool has to say, in fixed texts that an administrator can watch for.</summary>
internal sealed class SpoolLog(ServiceLog log, bool longIds) : ISpoolEvents
{
    public void Sealed(uint segment, long goodOffset, int errno) =>
        log.Error($"spool: segment {segment} is sealed at {goodOffset}: {Errno.Text(errno)}; mail that was not acknowledged is refused, the rest stays");

    public void Damage(ulong id, string place, string keptAs) =>
        log.Warning($"spool: damage: {(id == 0 ? "unknown message" : QueueId.Format(id, longIds))}: {place}{(keptAs.Length > 0 ? $"; bytes kept in {keptAs}" : "")}");

    public void Torn(uint segment, long from, long to) => log.Info($"spool: segment {segment}: {to - from} bytes after {from} were never acknowledged and are cut");

    public void OnReserve() => log.Error("spool: no space left: accepting mail is stopped, outcomes use the reserve");

    public void OffReserve() => log.Info("spool: room again: accepting mail is resumed");

    public void SlowCommit(TimeSpan duration) => log.Warning($"spool: slow commit: {duration.TotalSeconds:F1} s");

    public void MaintenanceFailed(string what, int errno) => log.Warning($"spool: {what}: {Errno.Text(errno)}; will be tried again");

    public void Opened(long messages, long replayedBytes) => log.Info($"spool: opened: {messages} messages, {replayedBytes} bytes replayed");
}
