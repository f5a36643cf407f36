using Facteur.Config;
using Facteur.Contracts;
using Facteur.Services.Report.Verify;

namespace Facteur.Services.Explain;

/// <summary>
/// What the running system has found out about addresses, read from the file of its cache by the rules of verify(8). Nobody is probed: of what is not known
/// the answer is the one that a client gets while a probe is under way, and it is said that the probe decides.
/// </summary>
internal sealed class ExplainedProbes : IAddressProbes, IDisposable
{
    private readonly VerifySettings _settings;
    private readonly VerifyCache _cache;
    private readonly Explanation _explanation;
    private readonly TimeProvider _time;

    /// <summary>Reads the cache.</summary>
    /// <param name="config">The configuration of the verify entry.</param>
    /// <param name="explanation">Is told what is known.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    public ExplainedProbes(IConfig config, Explanation explanation, IMailLog log, TimeProvider time)
    {
        (_settings, _explanation, _time) = (new VerifySettings(config), explanation, time);
        _cache = new VerifyCache(_settings.Map, new VerifyLog(new ServiceLog(log, "verify")), time, readOnly: true);
    }

    public ValueTask<AddressVerdict?> QueryAsync(string address, CancellationToken cancel)
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var (entry, isNew, probes) = VerifyService.Look(_settings, _cache.TryGet(address, out var kept) ? kept : null, now);
        var known = entry.Status switch
        {
            AddressStatus.Ok => $"deliverable: {entry.Text}",
            AddressStatus.Bounced => $"undeliverable: {entry.Text}",
            AddressStatus.Deferred => $"can't be said: {entry.Text}",
            _ => $"nothing is known{(_settings.Map.Length > 0 ? "" : " outside of the running system")}{(isNew || probes ? "" : ", a probe is under way")}: what comes of a probe decides",
        };
        _explanation.Add($"verify {address} ({_settings.CacheName}): {known}{(!isNew && probes ? " (it is probed again meanwhile)" : "")}");
        _explanation.Answered("verify", address, known);
        return new(new AddressVerdict(entry.Status, entry.Text));
    }

    public void Dispose() => _cache.Dispose();
}
