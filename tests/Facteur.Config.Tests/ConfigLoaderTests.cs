using System.Net;
using Facteur.Config.Parameters;

namespace Facteur.Config.Tests;

public sealed class ConfigLoaderTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-config-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static HostFacts Host(string name = "host", params (string, int)[] interfaces) =>
        new(() => name, () => [.. interfaces.Select(i => (IPAddress.Parse(i.Item1), i.Item2))], host => host == "h.example" ? [IPAddress.Parse("192.0.2.9")] : []);

    private ConfigLoad Load(string main, string master = "", HostFacts? host = null)
    {
        File.WriteAllText(Path.Combine(_directory, "main.cf"), main.Replace("DIR", _directory, StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(_directory, "master.cf"), master);
        return ConfigLoader.Load(_directory, new LoadOptions { Host = host ?? Host() });
    }

    private IConfig Good(string main, string master = "", HostFacts? host = null)
    {
        var load = Load(main, master, host);
        Assert.Empty(load.Errors);
        return load.Config;
    }

    [Fact]
    public void Typed_values()
    {
        var config = Good("recipient_delimiter = +-\nsoft_bounce = Yes\nhopcount_limit = 7\nmaximal_queue_lifetime = 2\n");
        Assert.Equal("+-", config.Get(CommonParameters.RecipientDelimiter));
        Assert.True(config.Get(CommonParameters.SoftBounce));
        Assert.Equal(7, config.Get(CommonParameters.HopcountLimit));
        Assert.Equal(TimeSpan.FromDays(2), config.Get(CommonParameters.MaximalQueueLifetime));
        Assert.Equal(10240000, config.Get(CommonParameters.MessageSizeLimit));
    }

    [Theory]
    [InlineData("3600", 3600)]
    [InlineData("0", 0)]
    [InlineData("10w", 49 * 86400)]
    [InlineData("2147483647s", 49 * 86400)]
    public void A_wait_is_one_that_a_timer_takes(string value, int seconds)
    {
        var wait = Good($"smtp_connect_timeout = {value}\n").GetWait(SmtpParameters.Smtp.ConnectTimeout);
        Assert.Equal(TimeSpan.FromSeconds(seconds), wait);
        using var source = new CancellationTokenSource(wait, TimeProvider.System);
        source.CancelAfter(wait);
    }

    [Theory]
    [InlineData("", "host.localdomain", "localdomain")]
    [InlineData("mydomain = example.com", "host.example.com", "example.com")]
    [InlineData("myhostname = mx.example.org", "mx.example.org", "example.org")]
    [InlineData("myhostname = mx.$mydomain\nmydomain = example.net", "mx.example.net", "example.net")]
    public void Host_and_domain(string main, string hostname, string domain)
    {
        var config = Good(main);
        Assert.Equal((hostname, domain), (config.Get(CommonParameters.Myhostname), config.Get(CommonParameters.Mydomain)));
        Assert.Equal($"{hostname}, localhost.{domain}, localhost", config.Get(CommonParameters.Mydestination));
    }

    [Theory]
    [InlineData("mydomain = $myhostname")]
    [InlineData("mydomain = $mynetworks\ninet_interfaces = $myhostname")]
    [InlineData("mynetworks_style = $mynetworks")]
    public void Computed_defaults_that_wait_for_each_other_end(string main)
    {
        var config = Load(main).Config;
        Assert.NotEqual("", config.Get(CommonParameters.Myhostname));
        Assert.NotEqual("", config.Get(CommonParameters.Mynetworks));
    }

    [Theory]
    [InlineData("", "127.0.0.0/8 192.0.2.0/24 [::1]/128 [fd00::]/64")]
    [InlineData("compatibility_level = 3.6", "127.0.0.1/32 192.0.2.9/32 [::1]/128 [fd00::9]/128")]
    [InlineData("mynetworks_style = class", "127.0.0.0/8 192.0.2.0/24 [::1]/128 [fd00::]/64")]
    [InlineData("mynetworks_style = host\ninet_interfaces = loopback-only", "127.0.0.1/32 [::1]/128")]
    [InlineData("mynetworks_style = host\ninet_interfaces = 192.0.2.9, [fd00::9]", "192.0.2.9/32 [fd00::9]/128")]
    [InlineData("mynetworks_style = host\ninet_protocols = ipv4", "127.0.0.1/32 192.0.2.9/32")]
    [InlineData("mynetworks_style = host\ninet_interfaces = h.example, localhost", "127.0.0.1/32 192.0.2.9/32 [::1]/128")]
    [InlineData("mynetworks = 10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("mynetworks_style = nobody\nmynetworks = 10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("inet_interfaces = $mynetworks", "127.0.0.0/8 [::1]/128")]
    public void Networks(string main, string expected) =>
        Assert.Equal(expected, Good(main, host: Host("h", ("::1", 128), ("127.0.0.1", 8), ("192.0.2.9", 24), ("fd00::9", 64))).Get(CommonParameters.Mynetworks));

    // Those who go on after an error get defaults, and nothing where a default refers to what is malformed.
    [Fact]
    public void Half_of_a_malformed_value_is_never_seen()
    {
        var load = Load("header_checks = regexp:{ {/a$/ REJECT} }\ndefault_transport = x${y\nmine = a $ b\n");
        Assert.Equal(3, load.Errors.Count);
        Assert.Equal(("", "", "smtp", ""), (load.Config.Find("header_checks"), load.Config.Find("nested_header_checks"), load.Config.Find("default_transport"), load.Config.Find("mine")));
    }

    [Theory]
    [InlineData("line_length_limit = 100", "invalid line_length_limit parameter value 100 < 512")]
    [InlineData("line_length_limit = many", "bad numerical configuration: line_length_limit = many")]
    [InlineData("soft_bounce = perhaps", "bad boolean configuration: soft_bounce = perhaps")]
    [InlineData("maximal_queue_lifetime = 5y", "parameter maximal_queue_lifetime: bad time value or unit: 5y")]
    [InlineData("queue_directory =", "bad string length 0 < 1: queue_directory = ")]
    [InlineData("myorigin = ${x", "parameter myorigin: truncated macro reference: \"${x\"")]
    [InlineData("myorigin = $myorigin", "parameter myorigin: unreasonable macro call nesting: \"myorigin\"")]
    [InlineData("myorigin = a.example b.example", "myorigin parameter setting must not contain multiple values: a.example b.example")]
    [InlineData("mynetworks_style = HOST", "unknown mynetworks mask style value \"HOST\" in \"HOST\": expected host, subnet or class")]
    [InlineData("mynetworks_style = host subnet", "bad mynetworks_style value: host subnet; specify exactly one value")]
    [InlineData("mynetworks_style =", "bad string length 0 < 1: mynetworks_style = ")]
    [InlineData("compatibility_level = new", "bad compatibility level in compatibility_level=new: expected major[.minor[.patch]]")]
    public void Errors_name_parameter_value_file_and_line(string main, string error) =>
        Assert.Contains($"{error} ({_directory}/main.cf, line 2)", Load($"# first\n{main}\n").Errors);

    // postconf(5), relayhost: several hosts, as of Postfix 3.5.
    [Fact]
    public void Relayhost_may_be_several() =>
        Assert.Empty(Load("relayhost = [a.example]:587, b.example c.example\n").Errors);

    [Fact]
    public void All_errors_come_at_once()
    {
        var load = Load("a b\nsoft_bounce = x\nhopcount_limit = y\nline_length_limit = 1\n", "x unix\nsmtp inet n - n - - smtpd -o soft_bounce=z\n");
        Assert.Equal(6, load.Errors.Count);
        Assert.Contains(load.Errors, e => e == $"bad boolean configuration: soft_bounce = z ({_directory}/master.cf, line 2, service smtp/inet)");
        // Who goes on nevertheless gets the default.
        Assert.Equal(50, load.Config.Get(CommonParameters.HopcountLimit));
        Assert.False(load.Config.Get(CommonParameters.SoftBounce));
    }

    [Fact]
    public void A_missing_file_is_an_error_and_not_an_exception()
    {
        var load = ConfigLoader.Load(Path.Combine(_directory, "none"));
        Assert.Contains($"open {_directory}/none/main.cf: No such file or directory", load.Errors);
    }

    [Fact]
    public void Debians_myorigin_is_the_first_line_of_a_file()
    {
        File.WriteAllText(Path.Combine(_directory, "mailname"), "# a comment\n mail.example.com \nmore\n");
        Assert.Equal("mail.example.com", Good("myorigin = DIR/mailname").Get(CommonParameters.Myorigin));
        Assert.Contains("No such file or directory", Assert.Single(Load("myorigin = DIR/missing").Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Raw_values_are_left_to_their_readers()
    {
        var config = Good("mailbox_command = /bin/deliver -d $user $mydomain\n");
        Assert.Equal("/bin/deliver -d $user $mydomain", config.Find("mailbox_command"));
        Assert.Equal("$home/.forward${recipient_delimiter}${extension}, $home/.forward", config.Find("forward_path"));
        Assert.Equal(config.Find("smtpd_expansion_filter"), config.Find("postscreen_expansion_filter"));
    }

    [Theory]
    [InlineData("my_destination_concurrency_limit", "20")]
    [InlineData("my_destination_rate_delay", "0s")]
    [InlineData("my_initial_destination_concurrency", "5")]
    [InlineData("my_extra_recipient_limit", "1000")]
    [InlineData("my_recipient_limit", "20000")]
    [InlineData("my_time_limit", "1000s")]
    [InlineData("local_destination_concurrency_limit", "2")]
    [InlineData("nothing_like_that", null)]
    public void Names_of_transports_are_made_at_run_time(string name, string? value) => Assert.Equal(value, Good("").Find(name));

    [Fact]
    public void A_transport_without_its_own_value_follows_the_default() =>
        Assert.Equal("3", Good("default_destination_concurrency_limit = 3\n").Find("my_destination_concurrency_limit"));

    [Fact]
    public void Overrides_make_a_snapshot_of_their_own()
    {
        var config = Good("myhostname = mx.example.com\n");
        var other = config.With([new("myhostname", "other.example.com"), new("hopcount_limit", "3")]);
        Assert.Equal(("mx.example.com", 50), (config.Get(CommonParameters.Myorigin), config.Get(CommonParameters.HopcountLimit)));
        Assert.Equal(("other.example.com", 3), (other.Get(CommonParameters.Myorigin), other.Get(CommonParameters.HopcountLimit)));
        Assert.Equal("bad numerical configuration: hopcount_limit = x", Assert.Throws<ConfigException>(() => config.With([new("hopcount_limit", "x")])).Message);
    }

    [Fact]
    public void An_entrys_snapshot_knows_its_service()
    {
        var load = Load("", "relay unix - - n - - smtp -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name -o stress=yes\n");
        var config = load.Config.With(load.Entries[0].Overrides);
        Assert.Equal("postfix/relay", config.Get(CommonParameters.SyslogName));
        Assert.Equal("10s", config.Find("smtpd_timeout"));
        Assert.Equal("smtp relay", config.Expand("$process_name $service_name"));
        Assert.Equal("postfix", load.Config.Get(CommonParameters.SyslogName));
    }

    [Theory]
    [InlineData("", "smtp/inet [::1]:2525/inet smtp/unix a.b/unix p/pass")]
    [InlineData("inet", "smtp/unix a.b/unix p/pass")]
    [InlineData("INET, unix", "p/pass")]
    [InlineData("smtp/inet pass", "[::1]:2525/inet smtp/unix a.b/unix")]
    [InlineData("smtp.inet", "[::1]:2525/inet smtp/unix a.b/unix p/pass")]
    [InlineData("a.b/unix [::1]:2525/INET", "smtp/inet smtp/unix p/pass")]
    [InlineData("!smtp/inet, inet", "smtp/inet smtp/unix a.b/unix p/pass")]
    [InlineData("inet !smtp/inet", "smtp/unix a.b/unix p/pass")]
    [InlineData("!!unix", "smtp/inet [::1]:2525/inet p/pass")]
    [InlineData("$mine", "smtp/inet [::1]:2525/inet smtp/unix p/pass")]
    [InlineData("smtp all * inet/ /inet", "smtp/inet [::1]:2525/inet smtp/unix a.b/unix p/pass")]
    public void Services_may_be_left_out(string list, string left)
    {
        var load = Load(
            $"master_service_disable = {list}\nmine = a.b/unix\n",
            "smtp inet n - n - - smtpd\n[::1]:2525 inet n - n - - smtpd\nsmtp unix - - n - - smtp\na.b unix - - n - - smtp\np pass - - n - - smtpd\n");
        Assert.Empty(load.Errors);
        Assert.Equal(left, string.Join(' ', load.Entries.Select(e => $"{e.Name}/{e.TypeName}")));
    }

    [Fact]
    public void A_mistake_in_a_service_that_is_left_out_is_none()
    {
        const string master = "smtp inet n - n - - smtpd -o smtpd_helo_required=perhaps\n";
        Assert.NotEmpty(Load("", master).Errors);
        Assert.Empty(Load("master_service_disable = inet\n", master).Errors);
    }

    [Fact]
    public void Warnings()
    {
        var warnings = Load(
            "a = 1\nuser_one = x\nmydestination = $user_one $undefined\nsmtpd_restriction_classes = class_one\nclass_one = permit\n"
            + "my_destination_recipient_limit = 1\nother_destination_recipient_limit = 1\nalias_maps = ldap:staff\nstaff_server_host = h\nstaff_nonsense = h\nvirtual_maps = hash:/x\n"
            + "readme_directory = /usr/share\n",
            "my unix - n n - - pipe flags=D argv=/bin/x\nsmtp inet n - n - - smtpd -o local_one=1 -o unused_two=2 -o smtpd_banner=$local_one\n").Warnings;
        Assert.Equal(
            [
                "main.cf: support for parameter \"virtual_maps\" will be removed; instead, specify \"virtual_alias_maps\"",
                "main.cf: undefined parameter: undefined",
                "main.cf: unused parameter: a=1",
                "main.cf: unused parameter: other_destination_recipient_limit=1",
                "main.cf: unused parameter: staff_nonsense=h",
                "master.cf: unused parameter: unused_two=2",
            ],
            warnings.Select(w => w.Replace($"{_directory}/", "", StringComparison.Ordinal)).Where(w => !w.Contains("not acted on yet", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Setting_what_is_not_acted_on_yet_warns_unless_it_is_the_default()
    {
        var row = ParameterRegistry.All.OfType<BoolParameter>().First(r => r.Class == ParameterClass.NotYet && r.Default == "no");
        Assert.Equal([$"{_directory}/main.cf, line 1: parameter {row.Name} is not acted on yet"], Load($"{row.Name} = yes\n").Warnings);
        Assert.Empty(Load($"{row.Name} = no\n").Warnings);
    }

    [Theory]
    [InlineData("smtp_transport_rate_delay = 20s", false)]
    [InlineData("lmtp_destination_concurrency_limit = 3", false)]
    [InlineData("smtp_delivery_slot_cost = 7", false)]
    [InlineData("smtp_sasl_auth_enable = yes", true)]
    public void A_transports_own_parameter_is_acted_on_as_the_general_one_is(string line, bool warns) =>
        Assert.Equal(warns, Load(line + "\n").Warnings.Any(w => w.EndsWith("is not acted on yet", StringComparison.Ordinal)));

    [Theory]
    [InlineData("/a", "/b", "/a")]
    [InlineData(null, "/b", "/b")]
    [InlineData(null, null, "/etc/postfix")]
    [InlineData("", "/b", "/")]
    [InlineData(null, "", "/")]
    public void Directory_of_the_files(string? option, string? variable, string expected) =>
        Assert.Equal(expected, ConfigLoader.FindDirectory(option, variable is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["MAIL_CONFIG"] = variable }));

    [Fact]
    public void Many_threads_read_one_snapshot()
    {
        var config = Good("compatibility_level = 3.11\n");
        Parallel.For(0, 64, _ =>
        {
            foreach (var row in ParameterRegistry.All)
            {
                Assert.NotNull(config.Find(row.Name));
            }
        });
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("compatibility_level = 1", false)]
    [InlineData("compatibility_level = 3.11", false)]
    public void Chroot_by_default_went_with_level_1(string main, bool chroot)
    {
        var load = Load(main, "x unix - - - - - c\ny unix - - n - - c\nz unix - - y - - c\n");
        Assert.Equal([chroot, false, true], load.Entries.Select(e => e.Chroot));
    }

    [Fact]
    public void A_command_hears_of_hidden_lines_only()
    {
        Load("a = 1\nsoft_bounce = no\nsoft_bounce = yes\nvirtual_maps = hash:/x\n");
        var load = ConfigLoader.Load(_directory, new LoadOptions { Host = Host(), WithMaster = false, ProcessName = "postqueue" });
        Assert.Equal([$"{_directory}/main.cf, line 3: overriding earlier entry: soft_bounce=no"], load.Warnings);
        Assert.Equal("postqueue", load.Config.Expand("$process_name"));
        Assert.Empty(load.Entries);
    }

    [Fact]
    public void A_wrong_value_ends_a_command_that_asks_for_it_and_no_other()
    {
        Load("smtpd_timeout = soon\nmessage_size_limit = 1\nsoft_bounce = perhaps\n");
        var load = ConfigLoader.Load(_directory, new LoadOptions { Host = Host(), WithMaster = false });
        Assert.Empty(load.Errors);
        Assert.Equal(1, load.Config.Get(CommonParameters.MessageSizeLimit));
        var wrong = Assert.Throws<ConfigException>(() => load.Config.With([new("message_size_limit", "2")]).Get(CommonParameters.SoftBounce));
        Assert.Contains("soft_bounce", wrong.Message, StringComparison.Ordinal);
        Assert.EndsWith($"({_directory}/main.cf, line 3)", wrong.Message, StringComparison.Ordinal);

        Load("compatibility_level = x\n");
        Assert.Single(ConfigLoader.Load(_directory, new LoadOptions { Host = Host(), WithMaster = false }).Errors);
    }

    [Fact]
    public void A_very_long_list_is_read_in_no_time()
    {
        var main = "mydestination =\n" + string.Concat(Enumerable.Range(0, 50_000).Select(i => $"  domain{i}.example\n"));
        Assert.EndsWith("domain49999.example", Good(main).Get(CommonParameters.Mydestination));
    }
}
