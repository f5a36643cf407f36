using Facteur.Config;
using Facteur.Services.Check;

namespace Facteur.Services.Tests.Check;

/// <summary>What services refuse when they are made is found, each mistake at its line, and all of them at once.</summary>
public sealed class MistakesTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-mistakes-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Line 9 of main.cf is the first; master.cf has smtpd with its options in line 1 and on, and behind it one of each service.</summary>
    [Theory]
    [InlineData("smtp_dns_support_level = bogus", "", "main.cf:9: error: smtp_dns_support_level = bogus: expected one of disabled, enabled, dnssec")]
    [InlineData("lmtp_tls_security_level = bogus", "", "main.cf:9: error: lmtp_tls_security_level = bogus: expected one of none, may, encrypt")]
    [InlineData("smtp_tls_protocols = !SSLv9", "", "main.cf:9: error: smtp_tls_protocols = !SSLv9: expected names such as >=TLSv1.2 or !TLSv1")]
    [InlineData("smtp_address_preference = ipv5", "", "main.cf:9: error: smtp_address_preference = ipv5: expected one of any, ipv4, ipv6")]
    [InlineData("smtp_host_lookup = dns, nis", "", "main.cf:9: error: smtp_host_lookup = nis: expected one of dns, native")]
    [InlineData("smtp_bind_address = here", "", "main.cf:9: error: smtp_bind_address = here: expected an IP address")]
    [InlineData("smtp_tls_CAfile = DIR/main.cf", "", null)]
    [InlineData("smtp_tls_CAfile = DIR/none", "", "main.cf:9: error: smtp_tls_CAfile = DIR/none: expected certificates in PEM form: ")]
    [InlineData("maillog_file = /etc/maillog", "", "main.cf:9: error: maillog_file value '/etc/maillog' does not match any prefix in maillog_file_prefixes = /var, /dev/stdout")]
    [InlineData("syslog_facility = nobody", "", "main.cf:9: error: syslog_facility = nobody: expected mail, daemon")]
    [InlineData("notify_classes = bogus", "", "main.cf:9: warning: unknown class \"bogus\" in notify_classes; expected ")]
    [InlineData("header_from_format = bogus", "", "main.cf:9: error: header_from_format = bogus: expected standard or obsolete")]
    [InlineData("canonical_classes = bogus", "", "main.cf:9: error: canonical_classes: unknown class \"bogus\"")]
    [InlineData("mailbox_delivery_lock = bogus", "", "main.cf:9: error: mailbox_delivery_lock: unknown lock \"bogus\": expected fcntl, flock or dotlock")]
    [InlineData("virtual_mailbox_lock = bogus", "", "main.cf:9: error: virtual_mailbox_lock: unknown lock \"bogus\": expected fcntl, flock or dotlock")]
    [InlineData("filter_time_limit = never", "", "main.cf:9: error: filter_time_limit = never: expected a time above 0, such as 1000s")]
    [InlineData("rewrite_service_name = nowhere", "", "main.cf:9: error: rewrite_service_name = nowhere: expected the name of a trivial-rewrite service in master.cf")]
    [InlineData("cleanup_service_name = nowhere", "", "main.cf:9: error: cleanup_service_name = nowhere: expected the name of a cleanup service in master.cf")]
    [InlineData("bounce_service_name = nowhere", "", "main.cf:9: error: bounce_service_name = nowhere: expected the name of a bounce service in master.cf")]
    [InlineData("unverified_sender_tempfail_action = bogus", "", "main.cf:9: error: unverified_sender_tempfail_action = bogus: expected defer or defer_if_permit")]
    [InlineData("smtpd_forbid_bare_newline = bogus", "", "main.cf:9: error: bad parameter value: 'smtpd_forbid_bare_newline = bogus', expected ")]
    [InlineData("smtpd_forbidden_commands = CONNECT, DIR/none", "", "main.cf:9: error: smtpd_forbidden_commands: open file DIR/none: ")]
    [InlineData("smtpd_proxy_filter = nowhere", "", "main.cf:9: error: smtpd_proxy_filter = nowhere: expected host:port, inet:host:port or unix:path")]
    [InlineData("receive_override_options = bogus", "", "main.cf:9: error: receive_override_options: unknown option \"bogus\": expected ")]
    [InlineData("content_filter = :x", "", "main.cf:9: error: content_filter = :x: expected transport:destination")]
    [InlineData("", "smtpd_delay_reject=no|receive_override_options=bogus", "master.cf:3: error: receive_override_options: unknown option \"bogus\": expected ")]
    [InlineData("smtpd_recipient_restrictions =\n  permit_mynetworks,\n  permit_mynetwork", "", "main.cf:11: error: smtpd_recipient_restrictions: unknown smtpd restriction: \"permit_mynetwork\"")]
    [InlineData("smtpd_recipient_restrictions = warn_if_reject bogus", "", "main.cf:9: error: smtpd_recipient_restrictions: unknown smtpd restriction: \"bogus\"")]
    [InlineData("smtpd_etrn_restrictions = bogus", "", "main.cf:9: error: smtpd_etrn_restrictions: unknown smtpd restriction: \"bogus\"")]
    [InlineData("smtpd_client_restrictions = check_client_access", "", "main.cf:9: error: smtpd_client_restrictions: restriction check_client_access: bad argument \"check_client_access\": need maptype:mapname")]
    [InlineData("smtpd_client_restrictions = reject_rbl_client", "", "main.cf:9: warning: smtpd_client_restrictions: restriction reject_rbl_client requires domain name argument")]
    [InlineData("smtpd_client_restrictions = check_policy_service", "", "main.cf:9: error: smtpd_client_restrictions: restriction check_policy_service must be followed by transport:server")]
    [InlineData("smtpd_client_restrictions = check_policy_service inet:nowhere", "", "main.cf:9: error: smtpd_client_restrictions: restriction check_policy_service: ")]
    [InlineData("smtpd_data_restrictions = texthash:DIR/none", "", "main.cf:9: error: smtpd_data_restrictions: specify one of (check_client_access, ")]
    [InlineData("smtpd_client_restrictions = check_client_access texthash:DIR/access", "", "access:3: error: three.example: permit_mynetwork, reject: unknown smtpd restriction: \"permit_mynetwork\"")]
    [InlineData("smtpd_restriction_classes = c\nc = check_helo_access inline:{{a = OKAY}}", "", "main.cf:10: error: a: OKAY: unknown smtpd restriction: \"OKAY\"")]
    [InlineData("smtpd_helo_restrictions = check_helo_access inline:{{a = check_client_access hash:/x}}", "", "main.cf:9: error: a: check_client_access hash:/x: a table stands in it: define a restriction class and specify its name instead")]
    [InlineData("local_header_rewrite_clients = permit_mynetwork", "", "main.cf:9: warning: local_header_rewrite_clients: invalid request: permit_mynetwork")]
    [InlineData("default_destination_concurrency_positive_feedback = 1/concurrence", "", "main.cf:9: warning: default_destination_concurrency_positive_feedback: ignoring malformed or unreasonable feedback: 1/concurrence")]
    [InlineData("smtp_destination_concurrency_negative_feedback = 1/sqrt_concurrency", "", null)]
    [InlineData("address_verify_map = tcp:nowhere", "", "main.cf:9: warning: tcp:nowhere: the cache is kept in memory only: expected btree:path, hash:path or lmdb:path")]
    [InlineData("smtpd_restriction_classes = strict\nstrict = reject_unknown_clients", "", "main.cf:10: error: strict: unknown smtpd restriction: \"reject_unknown_clients\"")]
    [InlineData("smtpd_restriction_classes = strict", "", "main.cf:9: warning: restriction class `strict' needs a definition")]
    [InlineData("smtpd_client_restrictions = reject_unknown_client", "", "main.cf:9: warning: support for restriction \"reject_unknown_client\" will be removed")]
    [InlineData("", "smtpd_client_restrictions=reject_maps_rbl", "master.cf:2: error: smtpd_client_restrictions: support for restriction \"reject_maps_rbl\" has been removed in Postfix 3.9")]
    [InlineData("", "smtpd_client_restrictions=permit_mynetworks,reject|LAST", "master.cf:15: error: odd/unix: flags=Q: flag \"Q\" is not known here: expected D, O, R or X")]
    [InlineData("", "smtpd_client_restrictions=permit_mynetworks,reject", null)]
    [InlineData("smtpd_client_restrictions = reject_rbl_client bl.example, check_policy_service unix:private/policy", "", null)]
    public async Task What_a_service_refuses_is_found(string main, string options, string? expected)
    {
        var found = await Find(main, options);
        if (expected is null)
        {
            Assert.Empty(found);
            return;
        }
        Assert.StartsWith($"{_directory}/{expected.Replace("DIR", _directory, StringComparison.Ordinal)}", Assert.Single(found), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_mistakes_are_found_at_once()
    {
        var found = await Find(
            "smtp_dns_support_level = a\nsmtp_tls_security_level = b\nsmtp_address_preference = c\nlmtp_address_preference = d\nheader_from_format = e\nsmtpd_forbid_bare_newline = f\nrewrite_service_name = g\nmaillog_file = /h\nmailbox_delivery_lock = i",
            "receive_override_options=j|smtpd_recipient_restrictions=k,l");
        Assert.Equal(12, found.Count);
        Assert.Equal([.. "abcdefghi".Select((_, i) => $"{_directory}/main.cf:{i + 9}"), .. ((string[])["2", "3", "3"]).Select(line => $"{_directory}/master.cf:{line}")], found.Select(f => f[..f.IndexOf(": ", StringComparison.Ordinal)]).Order(Order));
    }

    private static Comparer<string> Order { get; } = Comparer<string>.Create((a, b) => a.Length != b.Length && a.Contains("main", StringComparison.Ordinal) == b.Contains("main", StringComparison.Ordinal) ? a.Length - b.Length : string.CompareOrdinal(a, b));

    private async Task<List<string>> Find(string main, string options)
    {
        Write("main.cf", $"""
            compatibility_level = 3.11
            myhostname = mx.home.example
            mydestination = home.example
            mynetworks = 127.0.0.0/8
            inet_interfaces = all
            alias_maps =
            local_recipient_maps =
            # what follows is planted
            {main.Replace("DIR", _directory, StringComparison.Ordinal)}

            """);
        Write("access", "one.example OK\ntwo.example permit_mynetworks, reject\nthree.example permit_mynetwork, reject\nfour.example 550 5.7.1 no\nfive.example warn_if_reject\nsix.example 17\n");
        Write("master.cf", $"10025 inet n - n - - smtpd\n{string.Concat(options.Split('|', StringSplitOptions.RemoveEmptyEntries).Where(o => o != "LAST").Select(o => $"  -o {o.Trim()}\n"))}"
            + "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n"
            + "local unix - n n - - local\nvirtual unix - n n - - virtual\nsmtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\nerror unix - - n - - error\nfilter unix - n n - - pipe user=nobody argv=/bin/true\n"
            + (options.EndsWith("LAST", StringComparison.Ordinal) ? "odd unix - - n - - lmtp flags=Q\n" : ""));
        var load = ConfigLoader.Load(_directory, new LoadOptions { ProcessName = "check" });
        Assert.Empty(load.Errors);
        await using var safety = new RelaySafety(load, TimeProvider.System);
        return [.. safety.Mistakes.Select(m => $"{m.File}:{(m.Line > 0 ? $"{m.Line}:" : "")} {(m.IsError ? "error" : "warning")}: {m.Text}")];
    }

    private void Write(string name, string text) => File.WriteAllText($"{_directory}/{name}", text);
}
