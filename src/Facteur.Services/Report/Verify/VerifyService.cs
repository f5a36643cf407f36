using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;
using Facteur.Tables;

namespace Facteur.Services.Report.Verify;

/// <summary>
/// verify(8): answers from its cache, and sends a probe beside when what it knows is nothing or old. A probe is a message that every agent takes
/// as far as the recipient and no farther; it causes no mail and no report, and is gone after one attempt (qmgr tells here what came of it).
/// Outlives reloads.
/// </summary>
public sealed class VerifyService : IAddressProbes, IProbeResults, IDisposable
{
    /// <summary>A probe that has not come back after so many seconds is lost.</summary>
    private const long ProbeLifetime = 1000;

    /// <summary>Probes on their way into cleanup at a time.</summary>
    private const int SendLimit = 1000;

    private readonly ICleanup _cleanup;
    private readonly TimeProvider _time;
    private readonly ITimer _cleaner;
    private VerifySettings _settings;
    private VerifyLog _log;
    private VerifyCache _cache;
    private readonly Lock _deciding = new();
    private int _sending;
    private int _asked;

    /// <summary>Makes the service; its cache's file is read.</summary>
    /// <param name="config">The configuration of the verify entry.</param>
    /// <param name="cleanup">Takes the probes.</param>
    /// <param name="log">The log of verify.</param>
    /// <param name="time">The clock.</param>
    public VerifyService(IConfig config, ICleanup cleanup, ServiceLog log, TimeProvider time)
    {
        (_settings, _cleanup, _log, _time) = (new VerifySettings(config), cleanup, new VerifyLog(log), time);
        _cache = Open(_settings);
        _cleaner = time.CreateTimer(static service => ((VerifyService)service!).Clean(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        ArmCleaner();
    }

    private VerifyCache Open(VerifySettings settings)
    {
        if (settings.Unapproved is { } map)
        {
            ProxiedTables.TellUnapproved(map, "read-write", TablesParameters.ProxyWriteMaps.Name, _log);
            _log.Warning($"{map}: the cache is kept in memory only");
        }
        return new VerifyCache(settings.Map, _log, _time);
    }

    /// <summary>postfix reload.</summary>
    /// <param name="config">The configuration of the verify entry.</param>
    /// <param name="log">The log of verify.</param>
    public void Reconfigure(IConfig config, ServiceLog log)
    {
        var (before, after) = (_settings, new VerifySettings(config));
        _log = new VerifyLog(log);
        if (before.Map != after.Map)
        {
            _cache.Dispose();
            _cache = Open(after);
        }
        _settings = after;
        ArmCleaner();
    }

    /// <inheritdoc/>
    public ValueTask<AddressVerdict?> QueryAsync(string address, CancellationToken cancel)
    {
        if (Interlocked.Exchange(ref _asked, 1) == 0 && _settings.CleanupInterval > TimeSpan.Zero)
        {
            // Postfix: the service starts with the first question, and a clean-up with the service.
            Clean();
        }
        lock (_deciding)
        {
            return new(Decide(address));
        }
    }

    private AddressVerdict Decide(string address)
    {
        var (settings, now) = (_settings, Now);
        var known = _cache.TryGet(address, out var kept);
        var (entry, isNew, probes) = Look(settings, known ? kept : null, now);
        if (isNew && known && !settings.NegativeCache)
        {
            _cache.Remove(address);
        }
        if (probes)
        {
            if (entry.Updated != 0 || settings.NegativeCache)
            {
                _cache.Set(address, entry with { Probed = now });
            }
            _ = SendAsync(address, ProbeSender.Make(settings.Sender, settings.SenderTtl, now));
        }
        return new AddressVerdict(entry.Status, entry.Text);
    }

    /// <summary>What an entry of the cache is worth.</summary>
    /// <param name="settings">The parameters.</param>
    /// <param name="known">The entry; null for none.</param>
    /// <param name="now">Seconds since 1970.</param>
    /// <returns>What is known, whether that is nothing, and whether the address is to be probed.</returns>
    internal static (VerifyEntry Entry, bool IsNew, bool Probes) Look(VerifySettings settings, VerifyEntry? known, long now)
    {
        // Postfix: not while a probe is under way, which would only be made again.
        var isNew = known is not { } kept || (now - kept.Probed > ProbeLifetime && IsExpired(settings, kept, now));
        var entry = isNew ? new VerifyEntry(AddressStatus.InProgress, 0, 0, "Address verification in progress") : known!.Value;
        return (entry, isNew, now - entry.Probed > ProbeLifetime && entry.Updated + (entry.Status == AddressStatus.Ok ? settings.PositiveRefresh : settings.NegativeRefresh) < now);
    }

    /// <inheritdoc/>
    public void Probed(string address, AddressVerdict verdict)
    {
        lock (_deciding)
        {
            var (settings, now) = (_settings, Now);
            if (verdict.Status != AddressStatus.Ok && !settings.NegativeCache)
            {
                return;
            }
            // Postfix: a failed probe does not overrule a good result before that expires; it is tried again at the next question.
            if (verdict.Status != AddressStatus.Ok && _cache.TryGet(address, out var entry) && entry.Status == AddressStatus.Ok && !IsExpired(settings, entry, now))
            {
                return;
            }
            _cache.Set(address, new VerifyEntry(verdict.Status, 0, now, verdict.Text));
        }
    }

    /// <summary>Another process takes this one's place: what is learnt from now on is kept in memory only.</summary>
    public void Leave()
    {
        _cleaner.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _cache.Leave();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cleaner.Dispose();
        _cache.Dispose();
    }

    private long Now => _time.GetUtcNow().ToUnixTimeSeconds();

    private static bool IsExpired(VerifySettings settings, in VerifyEntry entry, long now) =>
        entry.Updated + (entry.Status == AddressStatus.Ok ? settings.PositiveExpire : settings.NegativeExpire) < now;

    private void Clean()
    {
        var (settings, now) = (_settings, Now);
        var (retained, dropped) = _cache.Clean(entry => now - entry.Probed > ProbeLifetime && IsExpired(settings, entry, now));
        _log.Cleaned(settings.CacheName, retained, dropped);
    }

    private void ArmCleaner()
    {
        var interval = _settings.CleanupInterval > TimeSpan.Zero ? _settings.CleanupInterval : Timeout.InfiniteTimeSpan;
        _cleaner.Change(interval, interval);
    }

    private async Task SendAsync(string address, string sender)
    {
        // Who asks does not wait for it: cleanup makes it durable first.
        await Task.Yield();
        if (Interlocked.Increment(ref _sending) > SendLimit)
        {
            Interlocked.Decrement(ref _sending);
            _log.TooManyWaiting(address);
            return;
        }
        try
        {
            var envelope = new Envelope { Sender = sender, Origin = MessageOrigin.Verify, Flags = MessageFlags.Probe | MessageFlags.RewriteLocal };
            if (await _cleanup.OpenAsync(envelope, CancellationToken.None).ConfigureAwait(false) is not { } message)
            {
                _log.NotSent(address, CleanupStatus.WriteError);
                return;
            }
            await using (message.ConfigureAwait(false))
            {
                message.AddRecipient(new EnvelopeRecipient(address, address));
                var result = await message.CompleteAsync(CancellationToken.None).ConfigureAwait(false);
                if (result is { Status: CleanupStatus.Ok, Text: { } found })
                {
                    // cleanup could tell by itself: an alias of several has no single fate.
                    Probed(address, new AddressVerdict(AddressStatus.Ok, found));
                }
                else if (result.Status != CleanupStatus.Ok)
                {
                    _log.NotSent(address, result.Status);
                }
            }
        }
        catch (Exception e)
        {
            // A fault of ours in one probe: the address stays unknown, and is probed again.
            _log.Fault(e);
        }
        finally
        {
            Interlocked.Decrement(ref _sending);
        }
    }
}
