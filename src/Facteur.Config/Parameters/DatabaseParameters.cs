namespace Facteur.Config.Parameters;

/// <summary>Parameters that a database table named without a path reads from main.cf: ldap:staff reads staff_server_host, staff_query_filter…</summary>
public static class DatabaseParameters
{
    private const string Sql = "additional_conditions domain expansion_limit query result_format select_field table where_field";
    private const string Server = $"{Sql} dbname hosts password user idle_interval retry_interval";

    private static readonly Dictionary<string, string[]> ByType = new(StringComparer.Ordinal)
    {
        ["ldap"] = Words("""
            bind bind_dn bind_pw cache cache_expiry cache_size chase_referrals debuglevel dereference domain expansion_limit leaf_result_attribute
            query_filter recursion_limit result_attribute result_filter result_format sasl_authz_id sasl_mechs sasl_minssf sasl_realm scope search_base
            server_host server_port size_limit special_result_attribute start_tls terminal_result_attribute timeout tls_ca_cert_dir tls_ca_cert_file
            tls_cert tls_cipher_suite tls_key tls_random_file tls_require_cert version
            """),
        ["mysql"] = Words($"{Server} charset option_file option_group require_result_set tls_CAfile tls_CApath tls_cert_file tls_ciphers tls_key_file tls_verify_cert"),
        ["pgsql"] = Words($"{Server} encoding select_function"),
        ["sqlite"] = Words($"{Sql} dbpath"),
        ["mongodb"] = Words("collection dbname domain expansion_limit projection query_filter result_attribute result_format uri"),
        ["memcache"] = Words("backup data_size_limit domain flags key_format line_size_limit max_try memcache retry_pause timeout ttl"),
    };

    /// <summary>Whether tables of a type are databases that read such parameters.</summary>
    public static bool IsDatabase(string type) => ByType.ContainsKey(type);

    /// <summary>The names that a table reads.</summary>
    public static IEnumerable<string> Of(string type, string name) => ByType[type].Select(suffix => $"{name}_{suffix}");

    private static string[] Words(string text) => text.Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
}
