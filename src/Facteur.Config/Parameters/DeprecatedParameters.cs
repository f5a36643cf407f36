using System.Collections.Frozen;

namespace Facteur.Config.Parameters;

/// <summary>Parameters that release 3.11 still takes and warns about, with what to set instead; null: nothing.</summary>
public static class DeprecatedParameters
{
    private static readonly FrozenDictionary<string, string?> Instead = new Dictionary<string, string?>(StringComparer.Ordinal)
    {
        ["authorized_verp_clients"] = "smtpd_authorized_verp_clients",
        ["disable_dns_lookups"] = "smtp_dns_support_level",
        ["fallback_relay"] = "smtp_fallback_relay",
        ["lmtp_enforce_tls"] = "lmtp_tls_security_level",
        ["lmtp_per_record_deadline"] = "lmtp_per_request_deadline",
        ["lmtp_tls_enforce_peername"] = "lmtp_tls_security_level",
        ["lmtp_tls_per_site"] = "lmtp_tls_policy_maps",
        ["lmtp_use_tls"] = "lmtp_tls_security_level",
        ["postscreen_blacklist_action"] = "postscreen_denylist_action",
        ["postscreen_dnsbl_ttl"] = "postscreen_dnsbl_max_ttl",
        ["postscreen_dnsbl_whitelist_threshold"] = "postscreen_dnsbl_allowlist_threshold",
        ["postscreen_enforce_tls"] = "postscreen_tls_security_level",
        ["postscreen_use_tls"] = "postscreen_tls_security_level",
        ["postscreen_whitelist_interfaces"] = "postscreen_allowlist_interfaces",
        ["smtp_enforce_tls"] = "smtp_tls_security_level",
        ["smtp_per_record_deadline"] = "smtp_per_request_deadline",
        ["smtp_tls_enforce_peername"] = "smtp_tls_security_level",
        ["smtp_tls_per_site"] = "smtp_tls_policy_maps",
        ["smtp_use_tls"] = "smtp_tls_security_level",
        ["smtpd_client_connection_limit_exceptions"] = "smtpd_client_event_limit_exceptions",
        ["smtpd_enforce_tls"] = "smtpd_tls_security_level",
        ["smtpd_per_record_deadline"] = "smtpd_per_request_deadline",
        ["smtpd_tls_dh1024_param_file"] = null,
        ["smtpd_tls_eecdh_grade"] = null,
        ["smtpd_use_tls"] = "smtpd_tls_security_level",
        ["tlsproxy_client_enforce_tls"] = "tlsproxy_client_security_level",
        ["tlsproxy_client_level"] = "tlsproxy_client_security_level",
        ["tlsproxy_client_per_site"] = "tlsproxy_client_policy_maps",
        ["tlsproxy_client_policy"] = "tlsproxy_client_policy_maps",
        ["tlsproxy_client_use_tls"] = "tlsproxy_client_security_level",
        ["tlsproxy_enforce_tls"] = "tlsproxy_tls_security_level",
        ["tlsproxy_use_tls"] = "tlsproxy_tls_security_level",
        ["virtual_maps"] = "virtual_alias_maps",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The warning for a name that is set, without file; null when it is not deprecated.</summary>
    public static string? Warning(string name) => !Instead.TryGetValue(name, out var instead) ? null
        : $"support for parameter \"{name}\" will be removed; instead, {(instead is null ? "do not specify (leave at default)" : $"specify \"{instead}\"")}";
}
