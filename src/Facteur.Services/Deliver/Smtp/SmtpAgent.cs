using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Net.Tls;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// smtp(8) and lmtp(8): finds the hosts of a next hop, tries them in order, and keeps connections for the next message.
/// A recipient that one host put off (4xx) is tried with the next; a refusal (5xx) is final.
/// </summary>
public sealed class SmtpAgent : IDeliveryAgent, IAsyncDisposable
{
    private const string ResolvConf = "/etc/resolv.conf";

    private readonly SmtpSettings _settings;
    private readonly SmtpHostFinder _finder;
    private readonly SmtpSessionCache _cache;
    private readonly IDomainList? _alwaysCached;
    private readonly SmtpContent _content;
    private readonly SmtpNotice _notice;
    private readonly DebugPeers _debugPeers;
    private readonly SmtpLog _log;
    private readonly TimeProvider _time;
    private readonly TlsClient _tls;
    private readonly SmtpGeneric? _generic;
    private readonly ISpoolReader _reader;
    private readonly BlockingThreads _threads;

    /// <summary>Makes the agent of one master.cf entry.</summary>
    /// <param name="config">The entry's snapshot.</param>
    /// <param name="lmtp">The entry's command is lmtp.</param>
    /// <param name="arguments">Arguments behind the command that are no -o: flags=DORX.</param>
    /// <param name="sockets">What names of sockets mean.</param>
    /// <param name="dns">The DNS.</param>
    /// <param name="hosts">/etc/hosts.</param>
    /// <param name="lists">Makes match lists.</param>
    /// <param name="reader">Reads contents; used by many deliveries at once.</param>
    /// <param name="threads">Threads for contents that may not be in memory.</param>
    /// <param name="resubmit">Where notices to the postmaster go.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    /// <param name="contentTables">Opens the tables of smtp_header_checks and the like, whose keys are bytes; null for none.</param>
    /// <param name="tables">Opens other tables.</param>
    /// <param name="addresses">Looks addresses up.</param>
    /// <exception cref="ConfigException">A value can't be used.</exception>
    public SmtpAgent(
        IConfig config, bool lmtp, IReadOnlyList<string> arguments, SocketNames sockets, IDnsResolver dns, HostsFile hosts, IMatchLists lists, ISpoolReader reader,
        BlockingThreads threads, IResubmit resubmit, ServiceLog log, TimeProvider time, ITableSet? contentTables = null, ITableSet? tables = null, IAddressMaps? addresses = null)
    {
        _settings = new SmtpSettings(config, lmtp, arguments, log.Warning)
        {
            Checks = contentTables is null ? null : SmtpSettings.OpenChecks(config, lmtp, contentTables),
            Tables = SmtpTables.Open(config, lmtp, tables, log),
        };
        _log = new SmtpLog(log);
        _time = time;
        _generic = SmtpGeneric.Of(config, (lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp).GenericMaps, tables, addresses, _log);
        _content = new SmtpContent(reader, threads, time);
        (_reader, _threads) = (reader, threads);
        _notice = new SmtpNotice(config, lmtp, resubmit, _log, time);
        _debugPeers = new DebugPeers(config, lists, log);
        var own = new OwnAddresses(
            [.. ListSyntax.Split(config.Get(CommonParameters.InetInterfaces)), .. ListSyntax.Split(config.Get(CommonParameters.ProxyInterfaces))], hosts);
        var filtered = DnsReplyFilter.Of(Searching(dns, (lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp).DnsResolverOptions, config, time), config, (lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp).DnsReplyFilter, tables, log);
        // Postfix: what the system's own lookup says is not filtered.
        var lookup = new HostLookup(filtered, hosts, _settings.Sources, new SearchResolver(dns, ResolvConf, true, true, time));
        _finder = new SmtpHostFinder(_settings, sockets, filtered, lookup, own, _log);
        _cache = new SmtpSessionCache(_settings, time);
        var cached = (lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp).ConnectionCacheDestinations;
        _alwaysCached = config.Get(cached).Length > 0 ? lists.Domains(cached.Name, config.Get(cached)) : null;
        _tls = new TlsClient(_settings.TlsProtocolSet, TlsCiphers.Select([.. _settings.TlsExcluded]), Authorities($"{_settings.Prefix}tls_CAfile", _settings.TlsAuthorities), time);
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var delivery = new SmtpDelivery(request, _settings, _log, _time);
        if (BadAddress(request) is { } bad)
        {
            return delivery.End(bad, null);
        }
        if (_generic is not null && (!await delivery.MapAsync(_generic, cancel).ConfigureAwait(false) || delivery.HasBadMapped))
        {
            return delivery.End(SmtpFailures.MapProblem(), null);
        }
        if (_settings.PrependDeliveredTo && await LoopAsync(request, cancel).ConfigureAwait(false) is { } loop)
        {
            // Nothing is known of the destination.
            delivery.HostSpoke = true;
            return delivery.End(loop, null, relay: request.Transport);
        }
        var keep = await KeepsConnectionAsync(request, cancel).ConfigureAwait(false);
        Attempt? attempt = null;
        try
        {
            if (keep.Use)
            {
                await TryCachedAsync(delivery, keep.Store).ConfigureAwait(false);
            }
            if (delivery.LeftCount > 0 && !delivery.Unreadable)
            {
                attempt = new Attempt { Keep = keep.Store };
                await TrySitesAsync(delivery, attempt, cancel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (delivery.HasResults)
        {
            // What was handed over already is told, or it would be sent again.
            delivery.Unreadable = true;
            if (e is not OperationCanceledException)
            {
                _log.Fault(request.QueueId, e);
            }
        }
        var why = attempt is null ? null : WhyLeft(delivery, attempt);
        // local hands mail to another agent once; such mail would be handed on a second time.
        var loops = attempt is { Loops: true } && why is { Outcome: DeliveryOutcome.Bounced } && _settings.PassesLoops && (request.Flags & DeliveryFlags.Passed) == 0;
        return delivery.End(why, attempt?.Tls, loops);
    }

    /// <summary>Closes the kept connections.</summary>
    public ValueTask DisposeAsync() => _cache.DisposeAsync();

    /// <summary>smtp_dns_resolver_options: names are absolute, unless the administrator wants them completed.</summary>
    private static IDnsResolver Searching(IDnsResolver dns, StringParameter options, IConfig config, TimeProvider time)
    {
        var (defnames, dnsrch) = (false, false);
        foreach (var option in ListSyntax.Split(config.Get(options)))
        {
            defnames |= option == "res_defnames";
            dnsrch |= option == "res_dnsrch";
            if (option is not ("res_defnames" or "res_dnsrch"))
            {
                throw new ConfigException($"{options.Name} = {option}: expected res_defnames or res_dnsrch");
            }
        }
        return defnames || dnsrch ? new SearchResolver(dns, ResolvConf, defnames, dnsrch, time) : dns;
    }

    private static X509Certificate2Collection Authorities(string parameter, string path)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            if (path.Length > 0)
            {
                authorities.ImportFromPemFile(path);
            }
            return authorities;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ConfigException($"{parameter} = {path}: expected certificates in PEM form: {e.Message}");
        }
    }

    /// <summary>What would break the line of a command never gets into one.</summary>
    private static DeliveryStatus? BadAddress(DeliveryRequest request)
    {
        var bad = HasControl(request.Envelope.Sender) || HasControl(request.Envelope.EnvelopeId);
        for (var i = 0; i < request.Recipients.Count; i++)
        {
            var recipient = request.Recipients[i].Recipient;
            bad |= HasControl(recipient.Address) || HasControl(recipient.DsnOriginalRecipient);
        }
        return bad ? DeliveryStatus.Bounced(1, 3, "an address holds control characters") : null;
    }

    /// <summary>flags=D: mail that was here before, by its Delivered-To headers.</summary>
    private async ValueTask<DeliveryStatus?> LoopAsync(DeliveryRequest request, CancellationToken cancel)
    {
        if (request.Recipients.Count > 1)
        {
            _log.OneRecipientWanted(request.Transport);
            return DeliveryStatus.Deferred(3, 5, "mail system configuration error");
        }
        var address = request.Recipients[0].Recipient.Address;
        using var content = new MessageContent(_reader, request.MessageId, request.Layout);
        // What can't be read is found out, and told, when it is sent.
        var seen = await _threads.RunAsync(() => DeliveredTo.Find(content, out _), cancel).ConfigureAwait(false);
        return seen.Contains(address) ? DeliveryStatus.Bounced(4, 6, $"mail forwarding loop for {address}") : null;
    }

    /// <summary>Whether a text would break a command's line.</summary>
    internal static bool HasControl(string text) => text.AsSpan().IndexOfAnyInRange('\0', '\x1f') >= 0 || text.Contains('\x7f');

    private async ValueTask<(bool Use, bool Store)> KeepsConnectionAsync(DeliveryRequest request, CancellationToken cancel) =>
        _alwaysCached is not null && await IsAlwaysCachedAsync(request.Nexthop, cancel).ConfigureAwait(false) ? (true, true)
        : _settings.CacheOnDemand ? ((request.Flags & DeliveryFlags.UseConnection) != 0, (request.Flags & DeliveryFlags.KeepConnection) != 0) : default;

    /// <summary>postconf(5), smtp_connection_cache_destinations: a name without [] and port, or the path of a socket.</summary>
    private async ValueTask<bool> IsAlwaysCachedAsync(string nexthop, CancellationToken cancel)
    {
        foreach (var site in Sites(nexthop))
        {
            if (SmtpDestination.TryParse(site, _settings, out var destination)
                && await _alwaysCached!.MatchAsync(destination.UnixPath ?? destination.Name, cancel).ConfigureAwait(false) == LookupStatus.Found)
            {
                return true;
            }
        }
        return false;
    }

    private List<string> Sites(string nexthop)
    {
        List<string> sites = nexthop.AsSpan().IndexOfAny(", \t") < 0
            ? [nexthop] : [.. nexthop.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries)];
        return _settings.FallbackRelay.Count == 0 ? sites : [.. sites, .. _settings.FallbackRelay];
    }

    /// <summary>
    /// Why recipients are left. Postfix: don't bounce mail after a host lookup problem with a relayhost or with a fallback relay, nor when mail for it
    /// loops; what a host says is the host's own word.
    /// </summary>
    private DeliveryStatus? WhyLeft(SmtpDelivery delivery, Attempt attempt)
    {
        var parameter = attempt.Fallback ? _settings.Prefix + "fallback_relay"
            // Postfix: the first of several hosts is compared with all of relayhost, so that a list has no such net.
            : Sites(delivery.Request.Nexthop).FirstOrDefault() == _settings.Relayhost ? TrivialRewriteParameters.Relayhost.Name : null;
        if (parameter is null || delivery.LeftCount == 0 || delivery.Unreadable || attempt.Why is not { Outcome: DeliveryOutcome.Bounced } why)
        {
            return attempt.Why;
        }
        _log.Misconfigured(parameter);
        return SmtpFailures.Misconfigured(why);
    }

    /// <summary>A kept connection, never the last resort: whatever it puts off is tried with a new one.</summary>
    private async ValueTask TryCachedAsync(SmtpDelivery delivery, bool keep)
    {
        if (_cache.Take(delivery.Request.Nexthop) is { } session)
        {
            delivery.Connected();
            await TransactAsync(delivery, session, false, false, delivery.Request.Nexthop, keep).ConfigureAwait(false);
            delivery.NextHost();
        }
    }

    private async ValueTask TrySitesAsync(SmtpDelivery delivery, Attempt attempt, CancellationToken cancel)
    {
        var sites = Sites(delivery.Request.Nexthop);
        for (var i = 0; i < sites.Count && delivery.LeftCount > 0 && !attempt.Stop && !attempt.LastSite; i++)
        {
            attempt.Fallback = i >= sites.Count - _settings.FallbackRelay.Count;
            attempt.LastSite = i == sites.Count - 1;
            await TrySiteAsync(delivery, sites[i], attempt, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask TrySiteAsync(SmtpDelivery delivery, string site, Attempt attempt, CancellationToken cancel)
    {
        if (!SmtpDestination.TryParse(site, _settings, out var destination))
        {
            attempt.Why = SmtpFailures.BadDestination(site);
            return;
        }
        var found = await _finder.FindAsync(destination, cancel).ConfigureAwait(false);
        // postconf(5), smtp_fallback_relay: not used for destinations that this host is MX host for.
        attempt.LastSite |= found.OneIsOwn;
        attempt.Loops = found.OneIsOwn && found.Hosts.Count == 0;
        if (found.Hosts.Count == 0)
        {
            attempt.Why = found.Why;
            attempt.Tls = null;
            return;
        }
        attempt.Sessions = 0;
        var count = _settings.MxAddressLimit > 0 ? Math.Min(found.Hosts.Count, _settings.MxAddressLimit) : found.Hosts.Count;
        for (var i = 0; i < count && delivery.LeftCount > 0 && !attempt.Stop; i++)
        {
            attempt.Plain = false;
            await TryHostAsync(delivery, destination, found.Hosts[i], attempt.LastSite, i == count - 1, attempt, cancel).ConfigureAwait(false);
            if (_settings.MxSessionLimit > 0 && attempt.Sessions >= _settings.MxSessionLimit)
            {
                return;
            }
        }
    }

    private async ValueTask TryHostAsync(
        SmtpDelivery delivery, SmtpDestination destination, SmtpHost host, bool lastSite, bool lastHost, Attempt attempt, CancellationToken cancel)
    {
        var connected = await ConnectAsync(host, cancel).ConfigureAwait(false);
        if (connected.Connection is not { } connection)
        {
            attempt.Why = SmtpFailures.Connect(host, connected.Error);
            attempt.Tls = _settings.TlsLevel == SmtpTlsLevel.None ? _settings.TlsWord : _settings.TlsWord + "?";
            if (host.EndPoint is IPEndPoint)
            {
                // Postfix: of a socket's failure only the recipients' lines tell; there is no other host whose turn comes.
                _log.NotConnected(attempt.Why.Reason);
            }
            return;
        }
        var heard = await _debugPeers.HasAsync((host.EndPoint as IPEndPoint)?.Address, host.Name, cancel).ConfigureAwait(false);
        var session = new SmtpSession(connection, host, _settings, _log, _time, _notice.Begin(heard ? (sign, line) => _log.Said(host.Relay, sign, line) : null));
        DeliveryStatus? why;
        try
        {
            why = await session.OpenAsync(delivery.Request, attempt.Plain, _tls, destination.Name, cancel).ConfigureAwait(false);
        }
        catch
        {
            await session.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        if (why is null)
        {
            attempt.Sessions++;
            delivery.Connected();
            var final = lastSite && (lastHost || (_settings.MxSessionLimit > 0 && attempt.Sessions >= _settings.MxSessionLimit));
            // Kept by the name of the next hop, which a fallback relay does not have.
            var goesPlain = await TransactAsync(delivery, session, final, MayGoPlain(delivery.Request), delivery.Request.Nexthop, attempt.Keep && !attempt.Fallback).ConfigureAwait(false);
            attempt.Why = delivery.Why;
            attempt.Stop = delivery.Unreadable;
            delivery.NextHost();
            if (goesPlain && !attempt.Stop)
            {
                // Postfix: it counts as one session with the one that follows.
                attempt.Sessions--;
                attempt.Plain = true;
                await TryHostAsync(delivery, destination, host, lastSite, lastHost, attempt, cancel).ConfigureAwait(false);
            }
            return;
        }
        delivery.Connected();
        attempt.Why = why;
        attempt.Tls = session.TlsStatus;
        if ((session.TlsFailed || session.TlsBroke) && MayGoPlain(delivery.Request))
        {
            delivery.FailAll(why, session, false);
            delivery.NextHost();
            await session.DisposeAsync().ConfigureAwait(false);
            attempt.Plain = true;
            await TryHostAsync(delivery, destination, host, lastSite, lastHost, attempt, cancel).ConfigureAwait(false);
            return;
        }
        delivery.FailAll(why, session, lastSite && lastHost);
        delivery.NextHost();
        await session.QuitAsync().ConfigureAwait(false);
        await _notice.SendAsync(delivery.Request, session).ConfigureAwait(false);
    }

    /// <summary>Whether plain text replaces TLS that fails or breaks off; a session without TLS can do neither.</summary>
    private bool MayGoPlain(DeliveryRequest request) =>
        _settings.TlsLevel == SmtpTlsLevel.May && TimeSpan.FromMicroseconds(request.ActiveMicros - request.Envelope.ArrivalMicros) >= _settings.PlainTextAfter;

    private async ValueTask<ConnectResult> ConnectAsync(SmtpHost host, CancellationToken cancel)
    {
        var bind = host.EndPoint.AddressFamily switch
        {
            AddressFamily.InterNetwork => _settings.BindIpv4,
            AddressFamily.InterNetworkV6 => _settings.BindIpv6,
            _ => null,
        };
        var result = await Connector.ConnectAsync(host.EndPoint, bind, _settings.ConnectTimeout, _time, cancel).ConfigureAwait(false);
        if (result.Connection is null && result.Error == "Cannot assign requested address" && bind is not null && !_settings.BindEnforce)
        {
            // Postfix: without smtp_bind_address_enforce a wrong address is no reason to keep mail.
            _log.NotBound(bind, result.Error);
            return await Connector.ConnectAsync(host.EndPoint, null, _settings.ConnectTimeout, _time, cancel).ConfigureAwait(false);
        }
        return result;
    }

    /// <returns>Whether recipients are left because TLS broke off.</returns>
    private async ValueTask<bool> TransactAsync(SmtpDelivery delivery, SmtpSession session, bool final, bool mayGoPlain, string nexthop, bool keep)
    {
        var (isKept, isClean) = (false, true);
        var transaction = new SmtpTransaction(delivery, session, _settings, _content, _log, final, mayGoPlain);
        try
        {
            await transaction.RunAsync().ConfigureAwait(false);
            // Postfix, smtp_stream_except: a destination whose hosts go away in the middle has failed as one without hosts.
            delivery.HostSpoke |= !transaction.IsLost;
            if (keep && session.MayBeReused)
            {
                isClean = transaction.IsClean || await session.ResetAsync().ConfigureAwait(false);
                if (isClean && session.MayBeReused)
                {
                    // Before another delivery may take it.
                    await _notice.SendAsync(delivery.Request, session).ConfigureAwait(false);
                    isKept = _cache.Put(nexthop, session);
                }
            }
            else
            {
                isClean = transaction.IsClean;
            }
        }
        catch
        {
            // A fault of ours; a message half sent must not look whole.
            session.Abort();
            throw;
        }
        finally
        {
            if (!isKept)
            {
                await session.QuitAsync(reset: !isClean).ConfigureAwait(false);
            }
        }
        if (!isKept)
        {
            await _notice.SendAsync(delivery.Request, session).ConfigureAwait(false);
        }
        return transaction.GoesPlain;
    }

    /// <summary>Where one delivery stands among its sites and hosts.</summary>
    private sealed class Attempt
    {
        internal bool Keep { get; init; }

        internal int Sessions { get; set; }

        internal bool Plain { get; set; }

        internal bool Stop { get; set; }

        /// <summary>No further site is tried after this one.</summary>
        internal bool LastSite { get; set; }

        /// <summary>The site tried last is a fallback relay.</summary>
        internal bool Fallback { get; set; }

        /// <summary>The site tried last is ourselves.</summary>
        internal bool Loops { get; set; }

        internal DeliveryStatus? Why { get; set; }

        internal string? Tls { get; set; }
    }
}
