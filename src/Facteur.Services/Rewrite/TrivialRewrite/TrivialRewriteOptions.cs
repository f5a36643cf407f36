using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>The parameters of trivial-rewrite(8) but its lists and tables, read once per configuration.</summary>
internal sealed record TrivialRewriteOptions
{
    public TrivialRewriteOptions(IConfig config)
    {
        SwapBangpath = config.Get(TrivialRewriteParameters.SwapBangpath);
        PercentHack = config.Get(TrivialRewriteParameters.AllowPercentHack);
        AllowMinUser = config.Get(TrivialRewriteParameters.AllowMinUser);
        ResolveDequoted = config.Get(TrivialRewriteParameters.ResolveDequotedAddress);
        ResolveNullDomain = config.Get(TrivialRewriteParameters.ResolveNullDomain);
        ResolveNumericDomain = config.Get(TrivialRewriteParameters.ResolveNumericDomain);
        HelpfulWarnings = config.Get(TrivialRewriteParameters.HelpfulWarnings);
        RelocatedPrefix = config.Get(TrivialRewriteParameters.RelocatedPrefixEnable) ? "5.1.6 User has moved to " : "";
        UnknownAlias = config.Get(TrivialRewriteParameters.ShowUserUnknownTableName) ? "5.1.1 User unknown in virtual alias table" : "5.1.1 User unknown";
        SmtpUtf8 = config.Get(CommonParameters.Smtputf8Enable);
        Myhostname = config.Get(CommonParameters.Myhostname);
        EmptyAddressRecipient = config.Get(CommonParameters.EmptyAddressRecipient);
        ConfigDirectory = config.ConfigDirectory;
        NullRelayhostKey = config.Get(TrivialRewriteParameters.EmptyAddressRelayhostMapsLookupKey);
        NullDefaultTransportKey = config.Get(TrivialRewriteParameters.EmptyAddressDefaultTransportMapsLookupKey);
        var append = config.Get(TrivialRewriteParameters.AppendDotMydomain);
        AppendsByDefault = append && !config.With([new("compatibility_level", "1")]).Get(TrivialRewriteParameters.AppendDotMydomain);
        var origin = config.Get(TrivialRewriteParameters.AppendAtMyorigin);
        var remote = config.Get(TrivialRewriteParameters.RemoteHeaderRewriteDomain);
        Local = new RewriteContext(origin ? config.Get(CommonParameters.Myorigin) : "", append ? config.Get(CommonParameters.Mydomain) : "");
        Remote = new RewriteContext(origin ? remote : "", append ? remote : "");
    }

    /// <summary>append_dot_mydomain is yes by the default of a compatibility_level below 1 and nothing else.</summary>
    public bool AppendsByDefault { get; }

    public RewriteContext Local { get; }

    public RewriteContext Remote { get; }

    public bool SwapBangpath { get; }

    public bool PercentHack { get; }

    public bool AllowMinUser { get; }

    public bool ResolveDequoted { get; }

    public bool ResolveNullDomain { get; }

    public bool ResolveNumericDomain { get; }

    public bool HelpfulWarnings { get; }

    public bool SmtpUtf8 { get; }

    public string RelocatedPrefix { get; }

    public string UnknownAlias { get; }

    public string Myhostname { get; }

    public string EmptyAddressRecipient { get; }

    public string ConfigDirectory { get; }

    public string NullRelayhostKey { get; }

    public string NullDefaultTransportKey { get; }
}
