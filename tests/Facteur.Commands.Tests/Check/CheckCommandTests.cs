using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Facteur.Commands.Check;
using Facteur.Unix;

namespace Facteur.Commands.Tests.Check;

/// <summary>"facteur check": each thing that is planted is found, at its line; a configuration without mistakes is without findings.</summary>
public sealed class CheckCommandTests : IDisposable
{
    // A user and two groups of every system, different from those of default_privs.
    private const string Owner = "mail", Group = "tty";

    private static readonly Lazy<(string Certificate, string Key)> Pair = new(() => Made(TimeSpan.FromDays(-1), 100));
    private static readonly Lazy<(string Certificate, string Key)> Expired = new(() => Made(TimeSpan.FromDays(-100), 50));

    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-check-").FullName;

    public CheckCommandTests()
    {
        Assert.Equal(0, Libc.chmod(_directory, 0x1ED));
        Write("aliases", "root: postmaster\n");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Without_a_mistake_there_is_nothing_to_say()
    {
        var (status, output) = Run("");
        Assert.Equal("", output);
        Assert.Equal(0, status);
    }

    /// <summary>A line of main.cf is number 9 and on; DIR is the directory.</summary>
    [Theory]
    [InlineData("smtpd_recipient_restriction = permit", "DIR/main.cf:9: warning: unused parameter: smtpd_recipient_restriction: no parameter has this name, and nothing refers to it; the nearest name is smtpd_recipient_restrictions")]
    [InlineData("zebra_colour = striped", "DIR/main.cf:9: warning: unused parameter: zebra_colour: no parameter has this name, and nothing refers to it")]
    [InlineData("relayhost = [$myhostnane]", "DIR/main.cf:9: warning: undefined parameter: myhostnane; the nearest name is myhostname")]
    [InlineData("smtp_use_tls = yes", "DIR/main.cf:9: warning: support for parameter \"smtp_use_tls\" will be removed; instead, specify \"smtp_tls_security_level\"")]
    [InlineData("smtpd_recipient_limit = many", "DIR/main.cf:9: error: bad numerical configuration: smtpd_recipient_limit = many")]
    [InlineData("smtpd_hard_error_limit = 0", "DIR/main.cf:9: error: invalid smtpd_hard_error_limit parameter value 0 < 1")]
    [InlineData("queue_run_delay = 5x", "DIR/main.cf:9: error: parameter queue_run_delay: bad time value or unit: 5x")]
    [InlineData("soft_bounce = perhaps", "DIR/main.cf:9: error: bad boolean configuration: soft_bounce = perhaps")]
    [InlineData("myorigin = a.example b.example", "DIR/main.cf:9: error: myorigin parameter setting must not contain multiple values: a.example b.example")]
    [InlineData("virtual_alias_domains = ${x y", "DIR/main.cf:9: error: parameter virtual_alias_domains: ")]
    [InlineData("relay_domains = inline:{a=b}c", "DIR/main.cf: warning: syntax error after '}' in \"{a=b}c\"")]
    [InlineData("relayhost\n", "DIR/main.cf:9: error: missing '=' after attribute name: \"relayhost\"")]
    [InlineData("transport_maps = texthash:DIR/none", "DIR/main.cf:9: error: transport_maps: texthash:DIR/none can't be opened: open database DIR/none: No such file or directory")]
    [InlineData("smtpd_sender_restrictions =\n  reject_non_fqdn_sender,\n  check_sender_access hash:DIR/none", "DIR/main.cf:11: error: smtpd_sender_restrictions: hash:DIR/none can't be opened:")]
    [InlineData("transport_maps = bogus:DIR/none", "DIR/main.cf:9: error: transport_maps: bogus:DIR/none can't be opened: unsupported dictionary type: bogus")]
    [InlineData("mynetworks = 127.0.0.0/8 DIR/none", "DIR/main.cf:9: error: mynetworks: open DIR/none: No such file or directory")]
    [InlineData("mynetworks = 127.0.0.0/8,\n  !127.0.0.1/24", "DIR/main.cf:10: error: mynetworks: non-null host address bits in \"127.0.0.1/24\", perhaps you should use \"127.0.0.0/24\" instead")]
    [InlineData("mynetworks = 10.0.0.0/255.0.0.0", "DIR/main.cf:9: error: mynetworks: bad mask value in \"10.0.0.0/255.0.0.0\"")]
    [InlineData("smtpd_authorized_xclient_hosts = [::1]/129", "DIR/main.cf:9: error: smtpd_authorized_xclient_hosts: bad mask length in \"[::1]/129\"")]
    [InlineData("inet_interfaces = 127.0.0.1, 192.0.2.99", "DIR/main.cf:9: error: parameter inet_interfaces: no local interface found for 192.0.2.99")]
    [InlineData("header_checks =\n  regexp:{ {/a/ REJECT}", "DIR/main.cf:9: error: header_checks: missing '}' in \"regexp:{ {/a/ REJECT}\"")]
    [InlineData("virtual_alias_maps = inline:{a=b", "DIR/main.cf:9: error: virtual_alias_maps: missing '}' in \"inline:{a=b\"")]
    [InlineData("default_transport = regexp:{ {/a$/ x}}", "DIR/main.cf:9: error: parameter default_transport: empty macro name: ")]
    [InlineData("inet_interfaces = mx.invalid", "DIR/main.cf:9: error: config variable inet_interfaces: host not found: mx.invalid")]
    [InlineData("inet_protocols = ipv4, IPv6", "DIR/main.cf:9: error: unknown inet_protocols value \"IPv6\" in \"ipv4, IPv6\": expected all, ipv4 or ipv6")]
    [InlineData("virtual_alias_maps = hash:DIR/text", "DIR/main.cf:9: warning: table hash:DIR/text: no index DIR/text.lmdb")]
    [InlineData("virtual_alias_maps = texthash:DIR/bad", "DIR/bad:2: warning: expected format: key whitespace value")]
    [InlineData("header_checks = regexp:DIR/backs", "DIR/backs:2: note: the pattern /(.)\\1/ has a back-reference: it is not matched by libc, and mail is deferred when a match takes more than a million steps")]
    [InlineData("body_checks = regexp:DIR/backs", "DIR/backs:4: note: the pattern !/^(a)\\1$/ has a back-reference: ")]
    [InlineData("header_checks = proxy:regexp:DIR/backs", "DIR/backs:2: note: the pattern /(.)\\1/ has a back-reference: ")]
    [InlineData("header_checks = regexp:{{/(b)\\1/ DUNNO}}", "DIR/main.cf:9: note: the pattern /(b)\\1/ has a back-reference: ")]
    [InlineData("virtual_alias_domains = two.example", "DIR/main.cf:9: warning: do not list domain two.example in BOTH mydestination and virtual_alias_domains")]
    [InlineData("virtual_mailbox_domains = texthash:DIR/domains", "DIR/domains:2: warning: do not list domain two.example in BOTH mydestination and virtual_mailbox_domains")]
    [InlineData("virtual_mailbox_domains = x.example\nrelay_domains =\n  y.example\n  X.example", "DIR/main.cf:12: warning: do not list domain X.example in BOTH virtual_mailbox_domains and relay_domains")]
    [InlineData("relay_domains = *", "DIR/main.cf:9: warning: relay_domains: \"*\" is a name like any other: it matches no domain")]
    [InlineData("smtpd_tls_cert_file = DIR/cert.pem\nsmtpd_tls_key_file = DIR/other.key", "DIR/main.cf:9: error: smtpd_tls_cert_file: the key in DIR/other.key is not that of the certificate in DIR/cert.pem")]
    [InlineData("smtpd_tls_cert_file = DIR/cert.pem\nsmtpd_tls_key_file = DIR/none.key", "DIR/main.cf:10: error: smtpd_tls_key_file: open DIR/none.key: No such file or directory")]
    [InlineData("smtpd_tls_cert_file = DIR/cert.pem", "DIR/main.cf:9: error: smtpd_tls_cert_file: DIR/cert.pem holds no private key")]
    [InlineData("smtp_tls_cert_file = DIR/old.pem", "DIR/main.cf:9: error: smtp_tls_cert_file: the certificate in DIR/old.pem expired on ")]
    [InlineData("smtpd_tls_chain_files = DIR/wrongchain", "DIR/main.cf:9: error: smtpd_tls_chain_files: the key in DIR/wrongchain is not that of the certificate in DIR/wrongchain")]
    [InlineData("smtpd_tls_chain_files = DIR/open.pem", "DIR/main.cf:9: warning: smtpd_tls_chain_files: every user can read the private key in DIR/open.pem")]
    [InlineData("smtpd_tls_CAfile = DIR/none", "DIR/main.cf:9: error: smtpd_tls_CAfile: open DIR/none: No such file or directory")]
    [InlineData("mailbox_size_limit = 1000", "DIR/main.cf:9: error: mailbox_size_limit = 1000 is smaller than message_size_limit = 10240000: local(8) does not deliver with it")]
    [InlineData("message_size_limit = 0", "DIR/main.cf:9: error: mailbox_size_limit = 51200000 is smaller than message_size_limit = 0 (no limit): local(8) does not deliver with it")]
    [InlineData("default_privs = mail", "DIR/main.cf:9: error: parameters default_privs and mail_owner specify the same user mail")]
    [InlineData("setgid_group = mail", "DIR/main.cf:9: error: parameters mail_owner and setgid_group: user mail and group mail have the same group ID: ")]
    [InlineData("setgid_group = nogroup", "DIR/main.cf:9: error: parameters default_privs and setgid_group: user nobody and group nogroup have the same group ID: ")]
    [InlineData("mail_owner = root", "DIR/main.cf:9: error: parameter mail_owner: user root has privileged user ID")]
    [InlineData("mail_owner = no-such-user", "DIR/main.cf:9: error: parameter mail_owner: unknown user name value: no-such-user")]
    [InlineData("default_transport = uucp:there", "DIR/main.cf:9: error: default_transport = uucp:there: DIR/master.cf has no service uucp/unix")]
    [InlineData("virtual_alias_maps = texthash:DIR/none\ntransport_maps = texthash:DIR/none", "DIR/main.cf:10: error: transport_maps: texthash:DIR/none can't be opened: ")]
    [InlineData("virtual_alias_maps = hash:DIR/text\nrelocated_maps = hash:DIR/text", "DIR/main.cf:10: warning: table hash:DIR/text: no index DIR/text.lmdb")]
    [InlineData("content_filter = scan:[127.0.0.1]:10025", "DIR/main.cf:9: error: content_filter = scan:[127.0.0.1]:10025: DIR/master.cf has no service scan/unix")]
    [InlineData("relay_transport = uucp:$myhostname", "DIR/main.cf:9: error: relay_transport = uucp:mx.one.example: DIR/master.cf has no service uucp/unix")]
    [InlineData("transport_maps = texthash:DIR/routes", "DIR/routes:2: error: b.example: uucp:b: DIR/master.cf has no service uucp/unix")]
    [InlineData("sender_dependent_default_transport_maps = inline:{a@b.example=uucp}", "DIR/main.cf:9: error: a@b.example: uucp: DIR/master.cf has no service uucp/unix")]
    [InlineData("smtpd_sender_restrictions = check_sender_access pcre:DIR/filters", "DIR/filters:2: error: /b/: FILTER uucp:b: DIR/master.cf has no service uucp/unix")]
    [InlineData("header_checks = regexp:DIR/filters", "DIR/filters:2: error: /b/: FILTER uucp:b: DIR/master.cf has no service uucp/unix")]
    [InlineData("smtpd_restriction_classes = watched\nwatched = check_sender_access regexp:DIR/filters", "DIR/filters:2: error: /b/: FILTER uucp:b: DIR/master.cf has no service uucp/unix")]
    [InlineData("smtpd_tls_security_level = bogus", "DIR/main.cf:9: error: smtpd_tls_security_level = bogus: expected one of none, may, encrypt")]
    [InlineData("smtpd_tls_mandatory_protocols = !SSLv9", "DIR/main.cf:9: error: smtpd_tls_mandatory_protocols = !SSLv9: expected names such as >=TLSv1.2 or !TLSv1")]
    [InlineData("smtp_tls_mandatory_ciphers = strong", "DIR/main.cf:9: error: smtp_tls_mandatory_ciphers = strong: expected one of export, low, medium, high, null")]
    [InlineData("propagate_unmatched_extensions = canonical, virtuals", "DIR/main.cf:9: error: propagate_unmatched_extensions: unknown value \"virtuals\": expected canonical, virtual, alias, forward, include, generic")]
    [InlineData("header_checks = DIR/backs", "DIR/main.cf:9: error: header_checks: DIR/backs can't be opened: open dictionary: expecting \"type:name\" form instead of \"DIR/backs\"")]
    [InlineData("milter_default_action = refuse", "DIR/main.cf:9: error: milter_default_action = refuse: expected one of accept, quarantine, reject, shutdown, tempfail")]
    [InlineData("tcp_windowsize = 65536\ntcp_windowsize = 4096", "DIR/main.cf:10: warning: overriding earlier entry: tcp_windowsize=65536")]
    public void What_is_wrong_is_found_at_its_line(string main, string expected)
    {
        Plant();
        var (status, output) = Run(main);
        Assert.Contains(expected.Replace("DIR", _directory, StringComparison.Ordinal), output, StringComparison.Ordinal);
        Assert.Equal(expected.Contains(": note: ", StringComparison.Ordinal) ? 0 : 1, status);
        Assert.All(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches("^/[^:]+:([0-9]+:)? (error|warning|note): ", line));
    }

    [Theory]
    [InlineData("virtual_mailbox_domains = v.example", "", "main.cf:9: error", "")]
    [InlineData("virtual_mailbox_domains = v.example\nvirtual_transport = lmtp:unix:private/dovecot", "", "main.cf:9: note", "; no parameter gives mail to virtual/unix")]
    [InlineData("", "", "main.cf:9: note", "; no parameter gives mail to virtual/unix")]
    [InlineData("fallback_transport = virtual", "", "main.cf:9: error", "")]
    [InlineData("virtual_mailbox_domains = v.example", " -o virtual_mailbox_limit=0", null, "")]
    [InlineData("virtual_mailbox_domains = v.example\nvirtual_mailbox_limit = 0", " -o virtual_mailbox_limit=51200000", "master.cf:4: error", "")]
    public void A_limit_of_an_agent_that_gets_no_mail_is_worth_a_note(string main, string option, string? place, string more)
    {
        var (status, output) = Run($"message_size_limit = 60000000\nmailbox_size_limit = 0\n{main}", $"virtual unix - n n - - virtual{option}\nlmtp unix - - n - - lmtp");
        var said = $"virtual_mailbox_limit = 51200000 is smaller than message_size_limit = 60000000: virtual(8) does not deliver with it{more}\n";
        if (place is null)
        {
            Assert.DoesNotContain("is smaller than", output, StringComparison.Ordinal);
            return;
        }
        Assert.Contains($"{_directory}/{place}: {said}", output, StringComparison.Ordinal);
        Assert.Equal(more.Length > 0 ? 0 : 1, status);
    }

    [Fact]
    public void Files_that_one_parameter_takes_over_from_another_are_looked_at_once()
    {
        var (_, output) = Run("smtpd_tls_chain_files = DIR/nochain\nsmtp_tls_CAfile = DIR/noca");
        Assert.Equal(
            [$"{_directory}/main.cf:10: error: smtp_tls_CAfile: open {_directory}/noca: No such file or directory", $"{_directory}/main.cf:9: error: smtpd_tls_chain_files: open {_directory}/nochain: No such file or directory"],
            output.Split('\n').Where(l => l.Contains("No such file", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("gone unix - n n - - pipe flags=R user=mail argv=/no/such/program ${recipient}", "DIR/master.cf:4: warning: service gone/unix: argv=/no/such/program: No such file or directory")]
    [InlineData("who unix - n n - - pipe user=no-such-user argv=/bin/true", "DIR/master.cf:4: warning: service who/unix: user=no-such-user: unknown user name")]
    [InlineData("what unix - n n - - pipe user=mail", "DIR/master.cf:4: error: service what/unix: no argv=")]
    [InlineData("odd unix - n n - - smtpf", "DIR/master.cf:4: warning: service odd/unix (smtpf): there is no program smtpf: mail for it waits")]
    [InlineData("guard unix - n n - 0 spawn user=mail argv=/bin/true", "DIR/master.cf:4: warning: service guard/unix (spawn): is not acted on yet")]
    [InlineData("smtpd pass - - n - - smtpd", "DIR/master.cf:4: warning: service smtpd/pass (smtpd): is not acted on yet")]
    [InlineData("in unix - - n - - smtpd", "DIR/master.cf:4: warning: service in/unix (smtpd): is not acted on yet")]
    [InlineData("10025 inet n - n - - smtpf", "DIR/master.cf:4: warning: service 10025/inet (smtpf): there is no program smtpf: nobody is served")]
    [InlineData("10025 inet n - n - - smtpd -q", "DIR/master.cf:4: error: invalid option: q")]
    [InlineData("local unix - n n - - discard", "DIR/master.cf:2: warning: service local/unix is replaced by that of line 4")]
    [InlineData("short unix - n", "DIR/master.cf:4: error: bad field count")]
    [InlineData("strange bus - n n - - local", "DIR/master.cf:4: error: field \"type\": bad value: \"bus\"")]
    [InlineData("10025 inet n - n - - smtpd -o smtpd_recipient_limit=many", "DIR/master.cf:4: error: 10025/inet: bad numerical configuration: smtpd_recipient_limit = many")]
    [InlineData("10025 inet n - n - - smtpd\n  -o smtpd_delay_reject=no\n  -o transport_maps=texthash:/no/table", "DIR/master.cf:6: error: transport_maps: texthash:/no/table can't be opened: ")]
    [InlineData("10025 inet n - n - - smtpd -o content_filter=scan:dummy", "DIR/master.cf:4: error: content_filter = scan:dummy: DIR/master.cf has no service scan/unix")]
    [InlineData("10025 inet n - n - - smtpd\n  -o smtpd_tls_security_level=must", "DIR/master.cf:5: error: smtpd_tls_security_level = must: expected one of none, may, encrypt")]
    [InlineData("10025 inet n - n - - smtpd -o smtpd_delay_rejekt=no", "DIR/master.cf:4: warning: unused parameter: smtpd_delay_rejekt: no parameter has this name, and nothing refers to it; the nearest name is smtpd_delay_reject")]
    public void Services_are_looked_at(string service, string expected)
    {
        var (status, output) = Run("", service);
        Assert.Contains(expected.Replace("DIR", _directory, StringComparison.Ordinal), output, StringComparison.Ordinal);
        Assert.Equal(1, status);
    }

    [Fact]
    public void Transports_that_are_there_are_not_found()
    {
        Plant();
        var (_, output) = Run(
            "content_filter = scan:dummy\ntransport_maps = texthash:DIR/routes pcre:{{/(.)/ $1:}}\nheader_checks = regexp:DIR/filters\nsmtpd_tls_security_level = may\nsmtpd_tls_protocols = >=TLSv1.2, !SSLv3\nrelocated_maps = $transport_maps",
            "scan unix - - n - - smtp\nuucp unix - n n - - pipe user=mail argv=/bin/true\n587 inet n - n - - smtpd -o content_filter=");
        Assert.DoesNotContain(": error: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Pairs_that_fit_are_not_found()
    {
        Plant();
        var (status, output) = Run("smtpd_tls_cert_file = DIR/both.pem\nsmtp_tls_cert_file = DIR/cert.pem\nsmtp_tls_key_file = DIR/cert.key\nsmtpd_tls_chain_files = DIR/chain");
        Assert.DoesNotContain("the key in", output, StringComparison.Ordinal);
        Assert.DoesNotContain(": error: ", output, StringComparison.Ordinal);
        Assert.InRange(status, 0, 1);
    }

    [Fact]
    public void An_index_older_than_its_text_is_named()
    {
        Write("map", "key smtp:value\n");
        Write("main.cf", "compatibility_level = 3.11\n");
        var context = new CommandContext("postmap", ["-c", _directory, $"lmdb:{_directory}/map"], Stream.Null, new StringWriter(), new StringWriter(), TimeProvider.System, new Dictionary<string, string>());
        Assert.Equal(0, Postmap.Run(context));
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        File.SetLastWriteTimeUtc($"{_directory}/map.lmdb", now.AddHours(-2));
        File.SetLastWriteTimeUtc($"{_directory}/map", now.AddHours(-1));
        var (status, output) = Run("transport_maps = lmdb:DIR/map");
        Assert.Equal($"{_directory}/main.cf:9: warning: database {_directory}/map.lmdb is older than source file {_directory}/map\n", output);
        Assert.Equal(1, status);
    }

    [Fact]
    public void Files_that_others_may_write_are_named()
    {
        Run("");
        Assert.Equal(0, Libc.chmod($"{_directory}/master.cf", 0x1B6));
        Assert.Equal(0, Libc.chmod(_directory, 0x1FF));
        var (status, output) = Check();
        Assert.Equal($"{_directory}/master.cf: warning: group or other writable: who may write it decides what runs as any user\n{_directory}: warning: group or other writable: who may write it decides what runs as any user\n", output);
        Assert.Equal(1, status);
    }

    [Fact]
    public void What_services_say_is_printed_at_its_line()
    {
        Run("");
        var (status, output) = Check(new Finding($"{_directory}/master.cf", 1, FindingLevel.Note, "smtp/inet: closed"));
        Assert.Equal($"{_directory}/master.cf:1: note: smtp/inet: closed\n", output);
        Assert.Equal(0, status);
    }

    [Theory]
    [InlineData("-x")]
    [InlineData("-c")]
    [InlineData("operand")]
    public void Wrong_usage_is_said(string argument)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var context = new CommandContext("check", [argument], Stream.Null, output, error, TimeProvider.System, new Dictionary<string, string>());
        Assert.Equal(64, CheckCommand.Run(context, _ => throw new InvalidOperationException()));
        Assert.Contains("usage: facteur check [-c config_dir]", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("smtpd_helo_restriction", "smtpd_helo_restrictions")]
    [InlineData("mydestnation", "mydestination")]
    [InlineData("my_networks", "mynetworks")]
    [InlineData("mynetowrks", "mynetworks")]
    [InlineData("something_quite_else", null)]
    public void The_nearest_name_is_one_that_may_be_meant(string name, string? nearest) => Assert.Equal(nearest, NameCheck.Nearest(name));

    private static (string Certificate, string Key) Made(TimeSpan start, int days)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=mx.example", key, HashAlgorithmName.SHA256);
        var from = TimeProvider.System.GetUtcNow() + start;
        using var certificate = request.CreateSelfSigned(from, from.AddDays(days));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private void Write(string name, string text)
    {
        File.WriteAllText($"{_directory}/{name}", text);
        Assert.Equal(0, Libc.chmod($"{_directory}/{name}", 0x180));
    }

    private void Plant()
    {
        Write("text", "info@one.example joe\n");
        Write("bad", "key value\nlonely\n");
        Write("backs", "/a/ DUNNO\n/(.)\\1/ REJECT\n/\\\\1/ DUNNO\nif !/^(a)\\1$/\n/b/ DUNNO\nendif\n");
        Write("routes", "a.example smtp:[b.example]\nb.example uucp:b\nc.example :d.example\n");
        Write("filters", "/a/ FILTER smtp:a\n/b/ FILTER uucp:b\n/(c)/ FILTER $1:c\n/uucp/ REJECT uucp:x\n");
        Write("domains", "one.example x\ntwo.example x\n");
        Write("cert.pem", Pair.Value.Certificate);
        Write("cert.key", Pair.Value.Key);
        Write("other.key", Expired.Value.Key);
        Write("both.pem", $"{Pair.Value.Key}\n{Pair.Value.Certificate}\n");
        Write("chain", $"{Pair.Value.Key}\n{Pair.Value.Certificate}\n{Expired.Value.Certificate}\n");
        Write("wrongchain", $"{Pair.Value.Key}\n{Expired.Value.Certificate}\n");
        Write("old.pem", $"{Expired.Value.Key}\n{Expired.Value.Certificate}\n");
        Write("open.pem", $"{Pair.Value.Key}\n{Pair.Value.Certificate}\n");
        Assert.Equal(0, Libc.chmod($"{_directory}/open.pem", 0x1A4));
    }

    private (int Status, string Output) Run(string main, string service = "")
    {
        Write("main.cf", $"""
            compatibility_level = 3.11
            myhostname = mx.one.example
            mydestination = one.example, two.example
            mail_owner = {Owner}
            setgid_group = {Group}
            inet_interfaces = 127.0.0.1
            alias_maps = texthash:{_directory}/aliased
            # what follows is planted
            {main.Replace("DIR", _directory, StringComparison.Ordinal)}

            """);
        Write("aliased", "root postmaster\n");
        Write("master.cf", $"smtp inet n - n - - smtpd\nlocal unix - n n - - local\nsmtp unix - - n - - smtp\n{service}\n");
        return Check();
    }

    private (int Status, string Output) Check(params Finding[] listeners)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter());
        var context = new CommandContext("check", ["-c", _directory], Stream.Null, output, error, TimeProvider.System, new Dictionary<string, string>());
        var status = CheckCommand.Run(context, _ => listeners);
        Assert.Equal("", error.ToString());
        return (status, output.ToString());
    }
}
