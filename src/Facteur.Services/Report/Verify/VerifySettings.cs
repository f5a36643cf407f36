using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Report.Verify;

/// <summary>The parameters of verify(8), read once per configuration. Times are seconds.</summary>
internal sealed class VerifySettings(IConfig config)
{
    /// <summary>address_verify_map as written; empty where it is behind "proxy:" and proxy_write_maps does not name it.</summary>
    public string Map { get; } = IsApproved(config) ? config.Get(VerifyParameters.Map) : "";

    /// <summary>The map that is not used for want of an approval, or null.</summary>
    public string? Unapproved { get; } = IsApproved(config) ? null : config.Get(VerifyParameters.Map);

    /// <summary>The cache's name in the log.</summary>
    public string CacheName => Map.Length > 0 ? Map : "internal:verify";

    public string Sender { get; } = config.Get(VerifyParameters.Sender);

    public long SenderTtl { get; } = Seconds(config, VerifyParameters.SenderTtl);

    public long PositiveExpire { get; } = Seconds(config, VerifyParameters.PositiveExpireTime);

    public long PositiveRefresh { get; } = Seconds(config, VerifyParameters.PositiveRefreshTime);

    public bool NegativeCache { get; } = config.Get(VerifyParameters.NegativeCache);

    public long NegativeExpire { get; } = Seconds(config, VerifyParameters.NegativeExpireTime);

    public long NegativeRefresh { get; } = Seconds(config, VerifyParameters.NegativeRefreshTime);

    /// <summary>0 for never.</summary>
    public TimeSpan CleanupInterval { get; } = config.Get(VerifyParameters.CacheCleanupInterval);

    public string Myhostname { get; } = config.Get(CommonParameters.Myhostname);

    public string MailName { get; } = config.Get(CommonParameters.MailName);

    private static bool IsApproved(IConfig config) => ProxiedTables.MayWrite(config.Get(VerifyParameters.Map), config.Get(TablesParameters.ProxyWriteMaps));

    private static long Seconds(IConfig config, TimeParameter parameter) => (long)config.Get(parameter).TotalSeconds;
}
