using Facteur.Contracts;
using Facteur.Tables;

namespace Facteur.Services.Report.Verify;

/// <summary>The log lines of verify(8).</summary>
internal sealed class VerifyLog(ServiceLog log) : ITableEvents
{
    public void Cleaned(string map, int retained, int dropped) => log.Info($"cache {map} full cleanup: retained={retained} dropped={dropped} entries");

    public void Info(string text) => log.Info(text);

    public void Warning(string text) => log.Warning(text);

    public void Error(string text) => log.Error(text);

    public void TooManyWaiting(string address) => log.Warning($"too many probes wait for cleanup: none is sent for <{address}>");

    public void NotSent(string address, CleanupStatus status) => log.Warning($"the probe of <{address}> was not taken: {status}");

    public void Fault(Exception e) => log.Error($"{e}");
}
