using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Facteur.Config;
using Facteur.Net.Tls;
using Facteur.Tables.Databases;
using Facteur.Tables.Text;
using Facteur.Tables.Types;

namespace Facteur.Tables.Ldap;

/// <summary>The parameters of an ldap: table.</summary>
internal sealed class LdapSettings
{
    private TlsClient? _tls;
    private string _authorityFile = "", _authorityDirectory = "";

    public required IReadOnlyList<LdapUrl> Servers { get; init; }

    public required string SearchBase { get; init; }

    public required string Filter { get; init; }

    public required string ResultFormat { get; init; }

    public required LdapScope Scope { get; init; }

    public required TimeSpan Timeout { get; init; }

    public required int Version { get; init; }

    public required int SizeLimit { get; init; }

    public required int RecursionLimit { get; init; }

    public required int Dereference { get; init; }

    /// <summary>The attributes asked for, by what their values are.</summary>
    public required IReadOnlyList<string> Terminal { get; init; }

    public required IReadOnlyList<string> Leaf { get; init; }

    public required IReadOnlyList<string> Ordinary { get; init; }

    public required IReadOnlyList<string> Special { get; init; }

    public required IReadOnlyList<string> Attributes { get; init; }

    public required LdapBind Bind { get; init; }

    public string BindName { get; private init; } = "";

    public string BindPassword { get; private init; } = "";

    public string Mechanism { get; private init; } = "";

    public byte[] Credentials { get; private init; } = [];

    public bool StartTls { get; private init; }

    public bool RequireCertificate { get; private init; }

    /// <summary>Reads them.</summary>
    /// <exception cref="TableException">They can't be used.</exception>
    public static LdapSettings Read(TableRequest request, SourceSettings source)
    {
        string[] List(string name, string otherwise = "") => [.. ListSyntax.Split(source.Text(name, otherwise))];
        var (terminal, leaf, ordinary, special) = (List("terminal_result_attribute"), List("leaf_result_attribute"), List("result_attribute", "maildrop"), List("special_result_attribute"));
        var version = source.Number("version", 3);
        if (version is not (2 or 3))
        {
            request.Events.Warning($"dict_ldap_open: {request.Argument} Unknown version {version}, using 3.");
            version = 3;
        }
        var dereference = source.Number("dereference", 0);
        if (dereference > 3)
        {
            request.Events.Warning($"dict_ldap_open: {request.Argument} Unrecognized value {dereference} specified for dereference; using 0");
            dereference = 0;
        }
        var startTls = source.Flag("start_tls", false);
        if (startTls && version < 3)
        {
            request.Events.Warning($"dict_ldap_open: {request.Argument} start_tls requires protocol version 3");
            version = 3;
        }
        foreach (var name in ((string[])["cache", "cache_expiry", "cache_size"]).Where(n => source.Find(n) is not null))
        {
            request.Events.Warning($"dict_ldap_open: {request.Argument} ignoring {name}");
        }
        foreach (var name in ((string[])["tls_random_file", "tls_cipher_suite", "tls_cert", "tls_key", "debuglevel", "sasl_realm", "sasl_minssf"]).Where(n => source.Text(n) is not ("" or "0")))
        {
            request.Events.Warning($"{request.FullName}: {name} = {source.Text(name)} has no effect");
        }
        if (source.Flag("chase_referrals", false))
        {
            request.Events.Warning($"{request.FullName}: chase_referrals = yes has no effect");
        }
        var bind = Binding(request, source);
        return new LdapSettings
        {
            Servers = ServersOf(request, source),
            SearchBase = source.Text("search_base"),
            Filter = source.Text("query_filter", "(mailacceptinggeneralid=%s)"),
            ResultFormat = source.Find("result_format") ?? source.Text("result_filter", "%s"),
            Scope = ScopeOf(request, source),
            Timeout = TimeSpan.FromSeconds(source.Number("timeout", 10, 1, 3600)),
            Version = version,
            SizeLimit = source.Number("size_limit", source.Number("expansion_limit", 0)),
            RecursionLimit = source.Number("recursion_limit", 1000, 1),
            Dereference = dereference,
            Terminal = terminal,
            Leaf = leaf,
            Ordinary = ordinary,
            Special = special,
            Attributes = [.. terminal.Concat(leaf).Concat(ordinary).Concat(special).Distinct(StringComparer.OrdinalIgnoreCase)],
            Bind = bind,
            BindName = source.Text("bind_dn"),
            BindPassword = source.Text("bind_pw"),
            Mechanism = bind == LdapBind.Sasl ? MechanismOf(request, source) : "",
            Credentials = bind == LdapBind.Sasl ? CredentialsOf(request, source) : [],
            StartTls = startTls,
            RequireCertificate = source.Flag("tls_require_cert", false),
            _authorityFile = source.Text("tls_ca_cert_file"),
            _authorityDirectory = source.Text("tls_ca_cert_dir"),
        };
    }

    /// <summary>TLS to the servers, made when it is first needed.</summary>
    public TlsClient Tls(TimeProvider time) => _tls ??= new TlsClient(SslProtocols.None, TlsCiphers.Select([]), Authorities(), time);

    /// <summary>Whether an attribute that came is one that was wanted, or that with an option (RFC 4512 2.5).</summary>
    public static bool IsOf(string wanted, string came) =>
        came.StartsWith(wanted, StringComparison.OrdinalIgnoreCase) && (came.Length == wanted.Length || came[wanted.Length] == ';');

    private static LdapBind Binding(TableRequest request, SourceSettings source) => source.Text("bind", "yes").ToLowerInvariant() switch
    {
        "no" or "none" => LdapBind.None,
        "yes" or "simple" => LdapBind.Simple,
        "sasl" => LdapBind.Sasl,
        var other => throw new TableException($"dict_ldap_open: {request.Argument}: unsupported parameter value: bind = {other}"),
    };

    /// <summary>The first mechanism of sasl_mechs that is done here.</summary>
    private static string MechanismOf(TableRequest request, SourceSettings source) =>
        source.Text("sasl_mechs", "EXTERNAL").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(m => m.ToUpperInvariant()).FirstOrDefault(m => m is "PLAIN" or "EXTERNAL")
        ?? throw new TableException($"dict_ldap_open: {request.Argument}: unsupported parameter value: sasl_mechs = {source.Text("sasl_mechs")} (supported: EXTERNAL, PLAIN)");

    private static byte[] CredentialsOf(TableRequest request, SourceSettings source) => MechanismOf(request, source) == "EXTERNAL" ? Encoding.UTF8.GetBytes(source.Text("sasl_authz_id"))
        : Encoding.UTF8.GetBytes($"{source.Text("sasl_authz_id")}\0{source.Text("bind_dn")}\0{source.Text("bind_pw")}");

    private static LdapScope ScopeOf(TableRequest request, SourceSettings source)
    {
        switch (source.Text("scope", "sub").ToLowerInvariant())
        {
            case "one":
                return LdapScope.One;
            case "base":
                return LdapScope.Base;
            case "sub":
                return LdapScope.Sub;
            default:
                request.Events.Warning($"dict_ldap_open: {request.Argument}: Unrecognized value {source.Text("scope")} specified for scope; using sub");
                return LdapScope.Sub;
        }
    }

    private static List<LdapUrl> ServersOf(TableRequest request, SourceSettings source)
    {
        var port = source.Number("server_port", 389, 1, 65535);
        var servers = new List<LdapUrl>();
        foreach (var word in ListSyntax.Split(source.Text("server_host", "localhost")))
        {
            var text = LdapUrl.Looks(word) ? word : $"ldap://{word}";
            if (LdapUrl.Parse(text) is not { } url)
            {
                request.Events.Warning($"dict_ldap_open: error parsing URL {word}; skipping");
                continue;
            }
            servers.Add(url with
            {
                Host = url.Host.Length > 0 ? url.Host : url.IsUnix ? "/run/slapd/ldapi" : "localhost",
                Port = url.Port > 0 ? url.Port : url.IsTls ? 636 : LdapUrl.Looks(word) ? 389 : port,
            });
        }
        return servers.Count > 0 ? servers : throw new TableException($"{request.FullName}: no server in server_host = {source.Text("server_host")}");
    }

    private X509Certificate2Collection Authorities()
    {
        var authorities = new X509Certificate2Collection();
        var files = _authorityFile.Length > 0 ? [_authorityFile]
            : Directory.Exists(_authorityDirectory) ? Directory.GetFiles(_authorityDirectory) : File.Exists("/etc/ssl/certs/ca-certificates.crt") ? ["/etc/ssl/certs/ca-certificates.crt"] : [];
        foreach (var file in files)
        {
            try
            {
                authorities.ImportFromPem(Encoding.UTF8.GetString(TableSource.Read(file)));
            }
            catch (Exception e) when (e is TableException or CryptographicException)
            {
                // What is no certificate certifies nobody.
            }
        }
        return authorities;
    }
}
