using Facteur.Contracts;

namespace Facteur.Services.Report.Verify;

/// <summary>The log lines of verify(8).</summary>
internal sealed class VerifyLog(ServiceLog log)
{
    public void Cleaned(string map, int retained, int dropped) => log.Info($"cache {map} full cleanup: retained={retained} dropped={dropped} entries");

    public void Damaged(string path, int entries) => log.Warning($"{path}: the file is damaged and is written anew; {entries} entries could be read");

    public void Unusable(string path, string reason) => log.Warning($"{path}: {reason}; results of probes are kept in memory only");

    public void TooManyWaiting(string address) => log.Warning($"too many probes wait for cleanup: none is sent for <{address}>");

    public void NotSent(string address, CleanupStatus status) => log.Warning($"the probe of <{address}> was not taken: {status}");

    public void Fault(Exception e) => log.Error($"{e}");
}
