using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// Values that hold only because compatibility_level is below the release that changed their default, and by nobody's word (COMPATIBILITY_README). Where one
/// of them makes a difference to a client, the log says so.
/// </summary>
internal sealed class BackwardsDefaults
{
    /// <summary>Reads them.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="lists">Makes the list of mynetworks.</param>
    public BackwardsDefaults(IConfig config, IMatchLists lists)
    {
        bool Changes<T>(string level, Func<IConfig, T> value) => !Equals(value(config), value(At(config, level)));
        Smtputf8 = Changes("1", c => c.Get(CommonParameters.Smtputf8Enable));
        NoRelayRestrictions = Changes("1", c => c.Get(SmtpdParameters.RelayRestrictions));
        RelayDomains = Changes("2", c => c.Get(TrivialRewriteParameters.RelayDomains));
        FastFlushDomains = Changes("2", c => c.Get(SmtpdParameters.FastFlushDomains));
        RecipientsFirst = Changes("3.6", c => c.Get(SmtpdParameters.RelayBeforeRecipientRestrictions));
        NewNetworks = Changes("2", c => c.Get(CommonParameters.Mynetworks))
            ? lists.Networks(CommonParameters.Mynetworks.Name, At(config, "2").Get(CommonParameters.Mynetworks)) : null;
        NetworksStyle = config.Find("mynetworks_style") ?? "";
    }

    /// <summary>smtputf8_enable = no.</summary>
    public bool Smtputf8 { get; }

    /// <summary>smtpd_relay_restrictions is empty.</summary>
    public bool NoRelayRestrictions { get; }

    /// <summary>relay_domains = $mydestination.</summary>
    public bool RelayDomains { get; }

    /// <summary>fast_flush_domains, by way of relay_domains.</summary>
    public bool FastFlushDomains { get; }

    /// <summary>smtpd_relay_before_recipient_restrictions = no.</summary>
    public bool RecipientsFirst { get; }

    /// <summary>What mynetworks will be; null: what it is.</summary>
    public INetworkList? NewNetworks { get; }

    /// <summary>mynetworks_style.</summary>
    public string NetworksStyle { get; }

    private static IConfig At(IConfig config, string level) => config.With([new(CommonParameters.CompatibilityLevel.Name, level)]);
}
