using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Services.Server;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>The tables that bend a session to what a server is like; all may be missing.</summary>
internal sealed class SmtpTables
{
    private Maps? _keywords;
    private Maps? _pix;

    /// <summary>smtp_reply_filter.</summary>
    internal ITable? ReplyFilter { get; private init; }

    /// <summary>smtp_delivery_status_filter.</summary>
    internal DeliveryStatusFilter? StatusFilter { get; private init; }

    /// <summary>The name of the parameter that has keywords by address.</summary>
    internal string KeywordsParameter => _keywords?.Parameter ?? "";

    /// <summary>Opens those that an entry names.</summary>
    internal static SmtpTables Open(IConfig config, bool lmtp, ITableSet? tables, ServiceLog log)
    {
        if (tables is null)
        {
            return new SmtpTables();
        }
        var p = lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp;
        return new SmtpTables
        {
            _keywords = Open(config, p.DiscardEhloKeywordAddressMaps, tables),
            _pix = Open(config, p.PixWorkaroundMaps, tables),
            ReplyFilter = config.Get(p.ReplyFilter) is { Length: > 0 } filter ? tables.Open(filter) : null,
            StatusFilter = DeliveryStatusFilter.Of(config, p.DeliveryStatusFilter, tables, log),
        };
    }

    /// <summary>Keywords to overlook in a server's offer: its entry in the table, else those for all.</summary>
    /// <returns>Null when the table can't answer.</returns>
    internal async ValueTask<IReadOnlySet<string>?> DiscardedAsync(SmtpHost host, IReadOnlySet<string> otherwise, CancellationToken cancel)
    {
        if (_keywords is null)
        {
            return otherwise;
        }
        var lookup = await _keywords.FindAsync(host.Address, false, cancel).ConfigureAwait(false);
        return lookup.Status switch
        {
            LookupStatus.Found => ListSyntax.Split(lookup.Value).ToHashSet(StringComparer.OrdinalIgnoreCase),
            LookupStatus.NotFound => otherwise,
            _ => null,
        };
    }

    /// <summary>Workarounds for an old PIX firewall: its entry in the table, else those for all. Postfix: best effort, an error of the table is passed over.</summary>
    internal async ValueTask<string> PixAsync(SmtpHost host, string otherwise, CancellationToken cancel) =>
        _pix is not null && await _pix.FindAsync(host.Address, false, cancel).ConfigureAwait(false) is { Status: LookupStatus.Found, Value: var value } ? value : otherwise;

    private static Maps? Open(IConfig config, StringParameter parameter, ITableSet tables) =>
        config.Get(parameter).Length > 0 ? Maps.Open(tables, parameter.Name, config.Get(parameter)) : null;
}
