using System.Net;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>
/// trivial-rewrite(8): completes addresses and says where recipients go. Keeps nothing between questions; safe for many threads.
/// A table that can't answer gives <see cref="ResolveFlags.Fail"/>: the asker tries again later, and nothing is bounced or relayed for it.
/// </summary>
public sealed class TrivialRewriteService : IRewrite
{
    private readonly TrivialRewriteOptions _options;
    private readonly TrivialRewriteLog _log;
    private readonly AddressRewriter _rewriter;
    private readonly RecipientResolver _resolver;
    private readonly IAddressMaps _addresses;
    private readonly RouteSet _mail;
    private readonly RouteSet _probes;
    private readonly Maps _relocated;
    private readonly DomainClass _aliasDomains;
    private readonly DomainClass _mailboxDomains;
    private readonly DomainClass _relayDomains;

    /// <summary>The service for one configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="tables">Opens tables.</param>
    /// <param name="routes">Opens tables whose results are transports and next hops (<see cref="TableOptions.FixedResults"/>).</param>
    /// <param name="addresses">Looks addresses up.</param>
    /// <param name="lists">Makes match lists.</param>
    /// <param name="isOwnAddress">Whether an address is one of inet_interfaces or proxy_interfaces.</param>
    /// <param name="log">The log of trivial-rewrite.</param>
    public TrivialRewriteService(
        IConfig config, ITableSet tables, ITableSet routes, IAddressMaps addresses, IMatchLists lists, Func<IPAddress, bool> isOwnAddress, ServiceLog log)
    {
        _options = new TrivialRewriteOptions(config);
        _log = new TrivialRewriteLog(log);
        _addresses = addresses;
        _rewriter = new AddressRewriter(_options.SwapBangpath, _options.PercentHack, _options.AppendsByDefault ? _log.AppendedByDefault : null);
        var local = new LocalDomains(lists.Domains(CommonParameters.Mydestination.Name, config.Get(CommonParameters.Mydestination)), isOwnAddress);
        _resolver = new RecipientResolver(_options, _rewriter, local, _log);
        var parents = ListSyntax.Split(config.Get(TrivialRewriteParameters.ParentDomainMatchesSubdomains));
        _mail = new RouteSet(RouteParameters.Mail, config, Route, addresses, parents);
        _probes = new RouteSet(RouteParameters.Probes, config, Route, addresses, parents);
        _relocated = Maps.Open(tables, TrivialRewriteParameters.RelocatedMaps.Name, config.Get(TrivialRewriteParameters.RelocatedMaps));
        _aliasDomains = Class(TrivialRewriteParameters.VirtualAliasDomains);
        _mailboxDomains = Class(TrivialRewriteParameters.VirtualMailboxDomains);
        _relayDomains = Class(TrivialRewriteParameters.RelayDomains);

        Maps Route(StringParameter parameter) => Maps.Open(routes, parameter.Name, config.Get(parameter));

        DomainClass Class(StringParameter parameter) =>
            new(parameter.Name, config.Get(parameter) is { Length: > 0 } value ? lists.Domains(parameter.Name, value) : null);
    }

    /// <inheritdoc/>
    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) =>
        new(_rewriter.Rewrite(local ? _options.Local : _options.Remote, address));

    /// <inheritdoc/>
    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) => ResolveAsync(_mail, sender, recipient, cancel);

    /// <inheritdoc/>
    public ValueTask<Resolution> ResolveProbeAsync(string sender, string recipient, CancellationToken cancel) => ResolveAsync(_probes, sender, recipient, cancel);

    private async ValueTask<Resolution> ResolveAsync(RouteSet routes, string sender, string recipient, CancellationToken cancel)
    {
        if (await _resolver.StripAsync(recipient, cancel).ConfigureAwait(false) is not { } stripped)
        {
            _log.LookupFailure(CommonParameters.Mydestination.Name);
            return Failed(recipient);
        }
        var (address, domain) = (stripped.Address, stripped.Domain);
        if (stripped.Invalid)
        {
            return new Resolution("error", "5.1.3 bad address syntax", address, ResolveFlags.Error | ResolveFlags.Default);
        }
        var flags = IsRouted(address) ? ResolveFlags.Routed : ResolveFlags.None;
        if (await ClassAsync(routes, sender, stripped, cancel).ConfigureAwait(false) is not var (route, addressClass))
        {
            return Failed(address);
        }
        flags |= addressClass;
        // Postfix: the answer for a virtual alias that was not found is not overridden.
        if (addressClass != ResolveFlags.VirtualAlias && !routes.Transports.IsEmpty)
        {
            var entry = await routes.Transports.FindAsync(address, cancel).ConfigureAwait(false);
            if (entry.Status == LookupStatus.Error)
            {
                _log.LookupFailure(routes.Transports.Parameter);
                return Failed(address);
            }
            route = entry.Status == LookupStatus.Found ? route.With(entry.Value, domain) : route;
        }
        if (!_relocated.IsEmpty)
        {
            var moved = (await _addresses.FindAsync(_relocated, address, AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain, cancel).ConfigureAwait(false)).Lookup;
            if (moved.Status == LookupStatus.Error)
            {
                _log.LookupFailure(TrivialRewriteParameters.RelocatedMaps.Name);
                return Failed(address);
            }
            route = moved.Status == LookupStatus.Found ? new Route("error", _options.RelocatedPrefix + moved.Value) : route;
        }
        return new Resolution(route.Transport, route.Nexthop, address, flags);
    }

    // Postfix: operators of any kind count, whatever they mean here, for nobody knows what they mean at the next hop.
    private static bool IsRouted(string address)
    {
        var (local, _) = AddressParts.Split(address);
        return AddressParts.Unquote(local).AsSpan().ContainsAny('@', '!', '%');
    }

    private static Resolution Failed(string recipient) => new("", "", recipient, ResolveFlags.Fail);

    private async ValueTask<(Route Route, ResolveFlags Class)?> ClassAsync(RouteSet routes, string sender, StrippedRecipient recipient, CancellationToken cancel)
    {
        var domain = recipient.Domain;
        if (recipient.Local)
        {
            await WarnAsync(domain, CommonParameters.Mydestination.Name, _aliasDomains, cancel).ConfigureAwait(false);
            await WarnAsync(domain, CommonParameters.Mydestination.Name, _mailboxDomains, cancel).ConfigureAwait(false);
            return Checked(routes.LocalTransport, domain, ResolveFlags.Local);
        }
        var match = await MatchAsync(_aliasDomains, domain, cancel).ConfigureAwait(false);
        if (match == LookupStatus.Found)
        {
            await WarnAsync(domain, _aliasDomains.Parameter, _mailboxDomains, cancel).ConfigureAwait(false);
            await WarnAsync(domain, _aliasDomains.Parameter, _relayDomains, cancel).ConfigureAwait(false);
            return (new Route("error", _options.UnknownAlias), ResolveFlags.VirtualAlias);
        }
        if (match == LookupStatus.NotFound)
        {
            match = await MatchAsync(_mailboxDomains, domain, cancel).ConfigureAwait(false);
            if (match == LookupStatus.Found)
            {
                await WarnAsync(domain, _mailboxDomains.Parameter, _relayDomains, cancel).ConfigureAwait(false);
                return Checked(routes.VirtualTransport, domain, ResolveFlags.VirtualMailbox);
            }
        }
        if (match == LookupStatus.NotFound)
        {
            match = await MatchAsync(_relayDomains, domain, cancel).ConfigureAwait(false);
        }
        return match == LookupStatus.Error ? null : await RemoteAsync(routes, sender, domain, match == LookupStatus.Found, cancel).ConfigureAwait(false);
    }

    private async ValueTask<(Route Route, ResolveFlags Class)?> RemoteAsync(RouteSet routes, string sender, string domain, bool relay, CancellationToken cancel)
    {
        var transport = relay ? routes.RelayTransport : routes.DefaultTransport;
        if (!relay && !routes.SenderTransports.IsEmpty)
        {
            var (status, value) = await BySenderAsync(routes.SenderTransports, sender.Length > 0 ? sender : _options.NullDefaultTransportKey, cancel).ConfigureAwait(false);
            if (status == LookupStatus.Error)
            {
                return null;
            }
            if (value is not null)
            {
                transport = new NamedTransport(routes.SenderTransports.Parameter, value);
            }
        }
        var nexthop = routes.Relayhost.Length > 0 ? routes.Relayhost : domain;
        if (!routes.SenderRelayhosts.IsEmpty)
        {
            var (status, value) = await BySenderAsync(routes.SenderRelayhosts, sender.Length > 0 ? sender : _options.NullRelayhostKey, cancel).ConfigureAwait(false);
            if (status == LookupStatus.Error)
            {
                return null;
            }
            // postconf(5): DUNNO ends the search and leaves the global relayhost as it is.
            nexthop = value ?? nexthop;
        }
        return Checked(transport, nexthop, relay ? ResolveFlags.Relay : ResolveFlags.Default);
    }

    // Found with null: the table said DUNNO.
    private async ValueTask<(LookupStatus Status, string? Value)> BySenderAsync(Maps maps, string sender, CancellationToken cancel)
    {
        var lookup = (await _addresses.FindAsync(maps, sender, AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain, cancel).ConfigureAwait(false)).Lookup;
        if (lookup.Status == LookupStatus.Error)
        {
            _log.LookupFailure(maps.Parameter);
        }
        if (lookup.Status == LookupStatus.Found && lookup.Value.Length == 0)
        {
            _log.NullResult(maps.Parameter, sender);
        }
        var isValue = lookup.Status == LookupStatus.Found && lookup.Value.Length > 0 && !lookup.Value.Equals("DUNNO", StringComparison.OrdinalIgnoreCase);
        return (lookup.Status, isValue ? lookup.Value : null);
    }

    private (Route Route, ResolveFlags Class)? Checked(NamedTransport transport, string nexthop, ResolveFlags addressClass)
    {
        var route = Route.FromParameter(transport.Value, nexthop);
        if (route.Transport.Length == 0)
        {
            _log.NullTransport(_options.ConfigDirectory, transport.Parameter);
            return null;
        }
        return (route, addressClass);
    }

    private async ValueTask<LookupStatus> MatchAsync(DomainClass domains, string domain, CancellationToken cancel)
    {
        var status = domains.List is null ? LookupStatus.NotFound : await domains.List.MatchAsync(domain, cancel).ConfigureAwait(false);
        if (status == LookupStatus.Error)
        {
            _log.LookupFailure(domains.Parameter);
        }
        return status;
    }

    private async ValueTask WarnAsync(string domain, string parameter, DomainClass other, CancellationToken cancel)
    {
        if (_options.HelpfulWarnings && other.List is not null && await other.List.MatchAsync(domain, cancel).ConfigureAwait(false) == LookupStatus.Found)
        {
            _log.InBoth(domain, parameter, other.Parameter);
        }
    }

    private readonly record struct DomainClass(string Parameter, IDomainList? List);
}
