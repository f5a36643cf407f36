using System.Runtime.Versioning;

namespace Facteur.Commands.Tests;

// Expected texts are what Postfix's postconf prints for the same files.
public sealed class PostconfTests : IDisposable
{
    private const string Main = """
        compatibility_level = 3.6
        myhostname = mx.example.org
        foo = bar
        mydestination = $myhostname,
          # comment
           localhost
        myorigin=${foo?{ x }}
        baz = ${{$foo} == {bar} ? { yes } : {no}}
        qux = $baz $myorigin
        smtpd_banner = $qux 	$$x ${undefd}
        smtpd_recipient_restrictions = permit_mynetworks, reject_unknown_recipient_domain, reject_unauth_destination
        mailbox_command = /bin/x $user ${mydomain}

        """;

    private const string Master = """
        # services
        smtp      inet  n       -       y       -       -       smtpd
        submission inet n       -       y       -       -       smtpd
          -o syslog_name=postfix/$service_name
          -o { smtpd_client_restrictions = permit_mynetworks, reject }
          -v
        maildrop  unix  -       n       n       -       -       pipe
          flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} {a b}
        # the end
        pol  unix  -       n       n       -       -       spawn user=nobody argv=/x

        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-postconf-").FullName;

    public PostconfTests()
    {
        File.WriteAllText($"{_directory}/main.cf", Main);
        File.WriteAllText($"{_directory}/master.cf", Master);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private (int Status, string Output, string Error) Run(params string[] arguments)
    {
        var (status, output, error) = CommandRun.Postconf(["-c", _directory, .. arguments]);
        return (status, output.Replace(_directory, "DIR", StringComparison.Ordinal), error.Replace(_directory, "DIR", StringComparison.Ordinal));
    }

    private void Answers(string expected, params string[] arguments)
    {
        var (status, output, error) = Run(arguments);
        Assert.Equal(expected.TrimEnd('\n'), output.TrimEnd('\n'));
        Assert.DoesNotContain("fatal", error, StringComparison.Ordinal);
        Assert.Equal(0, status);
    }

    private void Fails(string error, params string[] arguments)
    {
        var before = (File.ReadAllText($"{_directory}/main.cf"), File.ReadAllText($"{_directory}/master.cf"));
        var result = Run(arguments);
        Assert.Equal((1, ""), (result.Status, result.Output));
        Assert.Equal($"postconf: fatal: {error}", result.Error.TrimEnd().Split('\n')[^1]);
        Assert.Equal(before, (File.ReadAllText($"{_directory}/main.cf"), File.ReadAllText($"{_directory}/master.cf")));
    }

    [Fact]
    public void What_is_set() => Answers(
        """
        baz = ${{$foo} == {bar} ? { yes } : {no}}
        compatibility_level = 3.6
        config_directory = DIR
        foo = bar
        mailbox_command = /bin/x $user ${mydomain}
        mydestination = $myhostname, localhost
        myhostname = mx.example.org
        myorigin = ${foo?{ x }}
        qux = $baz $myorigin
        smtpd_banner = $qux $$x ${undefd}
        smtpd_recipient_restrictions = permit_mynetworks, reject_unknown_recipient_domain, reject_unauth_destination
        """, "-n");

    [Fact]
    public void Bytes_that_are_no_UTF_8_leave_as_they_came()
    {
        byte[] line = [.. "smtpd_banner = Gr\u00fc\u00dfe \u00a0x\u00a0\n"u8, .. "relayhost = "u8, 0xE4, 0xF6, (byte)'\n'];
        File.WriteAllBytes($"{_directory}/main.cf", [.. "# "u8, 0xFC, (byte)'\n', .. line]);
        using var bytes = new MemoryStream();
        using var output = new StreamWriter(bytes);
        Assert.Equal(0, Commands.Postconf.Run(new CommandContext("postconf", ["-c", _directory, "relayhost", "smtpd_banner"], Stream.Null, output, TextWriter.Null, TimeProvider.System, new Dictionary<string, string>())));
        output.Flush();
        Assert.Equal([.. line[^15..], .. line[..^15]], bytes.ToArray());
    }

    [Fact]
    public void What_is_undefined_is_warned_of() => Assert.Equal("postconf: warning: DIR/main.cf: undefined parameter: undefd\n", Run("-n").Error);

    [Fact]
    public void Expanded_and_folded() => Answers(
        """
        mailbox_command = /bin/x $user ${mydomain}
        mydestination = mx.example.org, localhost
        smtpd_banner = yes x $x
        smtpd_recipient_restrictions = permit_mynetworks,
            reject_unknown_recipient_domain, reject_unauth_destination
        """, "-xf", "mailbox_command", "mydestination", "smtpd_banner", "smtpd_recipient_restrictions");

    [Theory]
    [InlineData("bar\n$myhostname, localhost", "-h", "foo", "mydestination")]
    [InlineData("foo", "-H", "foo")]
    [InlineData("compatibility_level = 0", "-d", "compatibility_level")]
    [InlineData("smtpd_timeout = ${stress?{10}:{300}}s", "-d", "smtpd_timeout")]
    [InlineData("smtpd_timeout = 10s", "-x", "-o", "stress=yes", "smtpd_timeout")]
    [InlineData("qux = no x", "-o", "foo=3", "-x", "qux")]
    [InlineData("baz = ${{$foo} == {bar} ? { yes } : {no}}\nfoo = bar\nqux = $baz $myorigin", "-C", "user")]
    [InlineData("{\"smtpd_banner\": \"$qux \\t$$x ${undefd}\"}", "-j", "smtpd_banner")]
    [InlineData("{\"submission/inet\": \"submission inet  n       -       y       -       -       smtpd -o syslog_name=postfix/$service_name -o {smtpd_client_restrictions=permit_mynetworks, reject} -v\"}", "-jM", "submission")]
    [InlineData("{\"smtp/inet/chroot\": \"y\"}\n{\"smtp/inet/command\": \"smtpd\"}", "-jF", "smtp/inet/chroot", "smtp/inet/command")]
    [InlineData("{\"submission/inet/syslog_name\": \"postfix/submission\"}", "-jPx", "*/*/syslog_name")]
    [InlineData("smtp/inet/private = n\nsmtp/inet/private = n\nsubmission/inet/private = n", "-F", "*/inet/private", "smtp/*/private")]
    [InlineData("pol_time_limit = $command_time_limit", "pol_time_limit")]
    [InlineData("", "-n", "relayhost")]
    [InlineData("relayhost =", "relayhost")]
    [InlineData("local_destination_concurrency_limit = 2", "-d", "local_destination_concurrency_limit")]
    public void Parameters(string expected, params string[] arguments) => Answers(expected, arguments);

    [Fact]
    public void Parameters_of_services() => Assert.Equal(
        [
            "maildrop_delivery_slot_cost", "maildrop_delivery_slot_discount", "maildrop_delivery_slot_loan", "maildrop_destination_concurrency_failed_cohort_limit",
            "maildrop_destination_concurrency_limit", "maildrop_destination_concurrency_negative_feedback", "maildrop_destination_concurrency_positive_feedback",
            "maildrop_destination_rate_delay", "maildrop_destination_recipient_limit", "maildrop_extra_recipient_limit", "maildrop_initial_destination_concurrency",
            "maildrop_minimum_delivery_slots", "maildrop_recipient_limit", "maildrop_recipient_refill_delay", "maildrop_recipient_refill_limit", "maildrop_time_limit",
            "maildrop_transport_rate_delay", "pol_time_limit",
        ],
        Run("-C", "service", "-dH").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    [Fact]
    public void Services_on_one_line() => Answers(
        """
        smtp       inet  n       -       y       -       -       smtpd
        submission inet  n       -       y       -       -       smtpd -o syslog_name=postfix/$service_name -o {smtpd_client_restrictions=permit_mynetworks, reject} -v
        maildrop   unix  -       n       n       -       -       pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} {a b}
        pol        unix  -       n       n       -       -       spawn user=nobody argv=/x
        """, "-M");

    [Fact]
    public void Services_folded() => Answers(
        """
        submission inet  n       -       y       -       -       smtpd
            -o syslog_name=postfix/$service_name
            -o {smtpd_client_restrictions=permit_mynetworks, reject}
            -v
        maildrop   unix  -       n       n       -       -       pipe flags=DRXhu
            user=vmail argv=/usr/bin/maildrop -d ${recipient} {a b}
        pol        unix  -       n       n       -       -       spawn user=nobody
            argv=/x
        """, "-Mf", "submission", "*/unix");

    [Theory]
    [InlineData("smtp/inet/chroot = y", "-F", "smtp/inet/chroot")]
    [InlineData("y", "-Fh", "smtp/inet/chroot")]
    [InlineData("maildrop/unix/command = pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} {a b}", "-F", "maildrop/*/command")]
    [InlineData("submission/inet/smtpd_client_restrictions = permit_mynetworks, reject\nsubmission/inet/syslog_name = postfix/$service_name", "-P")]
    [InlineData("submission/inet/syslog_name = postfix/submission", "-Px", "*/*/syslog_name")]
    [InlineData("submission/inet/smtpd_client_restrictions\nsubmission/inet/syslog_name", "-PH")]
    [InlineData("smtp/inet/service\nsmtp/inet/type\nsmtp/inet/private\nsmtp/inet/unprivileged\nsmtp/inet/chroot\nsmtp/inet/wakeup\nsmtp/inet/process_limit\nsmtp/inet/command", "-FH", "smtp/inet")]
    [InlineData("flock\nfcntl\ndotlock", "-l")]
    public void Parts_of_services(string expected, params string[] arguments) => Answers(expected, arguments);

    [Theory]
    [InlineData("nosuch: unknown parameter", "nosuch")]
    [InlineData("unmatched request: \"nosuch/inet\"", "-M", "nosuch/inet")]
    [InlineData("unmatched request: \"submission/inet/foo\"", "-P", "submission/inet/foo")]
    [InlineData("unmatched service_name/type: \"nosuch/inet/chroot=n\"", "-Fe", "nosuch/inet/chroot=n")]
    public void Warnings(string warning, params string[] arguments)
    {
        var (status, output, error) = Run(arguments);
        Assert.Equal((0, ""), (status, output));
        Assert.Contains($"postconf: warning: {warning}\n", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("specify one of -d -n", "-dn")]
    [InlineData("specify one of -d -e", "-de", "x=y")]
    [InlineData("specify one of -e -n", "-n", "foo=1")]
    [InlineData("specify one of -e -X", "-X", "a=b")]
    [InlineData("specify one of -a -A", "-aA")]
    [InlineData("specify one of -h -X", "-X", "-h", "foo")]
    [InlineData("specify one of -e -f", "-f", "foo=x")]
    [InlineData("specify one of -e -o", "-o", "foo=x", "-e", "foo=y")]
    [InlineData("-X or -# requires non-blank parameter names", "-X", " ")]
    [InlineData("-Pe does not accept wild-card parameter name", "-PX", "submission/inet/*")]
    [InlineData("-Pe or -PX requires service_name/type/parameter", "-Pe", "submission/inet/a/b=c")]
    [InlineData("-Fe or -FX requires service_name/type/field_name", "-Fe", "smtp/chroot=n")]
    [InlineData("-F option requires service_name[/type[/field]]", "-F", "/")]
    [InlineData("specify one of -F -M", "-MF")]
    [InlineData("specify one of -M -p", "-pM")]
    [InlineData("specify one of -b and -t", "-bt")]
    [InlineData("with option -b, do not specify -x", "-bx")]
    [InlineData("options -b and -t require at most one template file", "-t", "a", "b")]
    [InlineData("specify one of -h -H", "-hH", "foo")]
    [InlineData("specify one of -d -o", "-d", "-o", "foo=x", "relayhost")]
    [InlineData("specify one of -e -x", "-e", "-h", "-x", "foo=x")]
    [InlineData("specify one of -e -h -H", "-hHe", "foo=x")]
    [InlineData("with option -l, do not specify -o", "-l", "-o", "foo=x")]
    [InlineData("with option -M, do not specify -h -n", "-Mnh")]
    [InlineData("-Me, -Fe, -Pe, -X, or -# accept no multi-line input", "-Me", "x/unix=x unix - - n - - smtp\n -o a=b")]
    [InlineData("-Me, -Fe, -Pe, -X, or -# accept no comment input", "-M#", "#x/unix")]
    [InlineData("with option -M, do not specify -n", "-Mn")]
    [InlineData("with option -M, do not specify -h", "-Mh")]
    [InlineData("with option -P, do not specify -#", "-P#", "submission/inet/syslog_name")]
    [InlineData("missing service argument", "-X")]
    [InlineData("missing service argument", "-#")]
    [InlineData("-e requires name=value argument", "-e")]
    [InlineData("missing '=' after attribute name: \"foo\"", "-e", "foo")]
    [InlineData("missing '=' after attribute name: \"bar\"", "foo=1", "bar")]
    [InlineData("missing attribute name: \"=x\"", "-e", "=x")]
    [InlineData("-e, -X, or -# accepts no comment input", "-e", "#x=1")]
    [InlineData("-e, -X, or -# accepts no multi-line input", "-e", "x=1\ny=2")]
    [InlineData("-Me, -MX or -M# requires service_name/type", "-MX", "x")]
    [InlineData("-M option requires service_name[/type]", "-M", "a/b/c")]
    [InlineData("-P option requires service_name[/type[/parameter]]", "-P", "a/b/c/d")]
    [InlineData("invalid service attribute name: \"foo\"", "-F", "smtp/inet/foo")]
    [InlineData("invalid chroot field \"q\" in \"q\"", "-Fe", "smtp/inet/chroot=q")]
    [InlineData("invalid type field \"y\" in \"x y - - - - - z\"", "-Me", "x/y=x y - - - - - z")]
    [InlineData("bad field count: \"smtp/inet=smtp inet n\"", "-Me", "smtp/inet=smtp inet n")]
    [InlineData("unknown -C option value \"bogus\" in \"builtin,bogus\"", "-C", "builtin,bogus")]
    [InlineData("invalid parameter override: bad: missing '=' after attribute name", "-o", "bad", "foo")]
    public void Errors_change_nothing(string error, params string[] arguments) => Fails(error, arguments);

    [Fact]
    public void An_unknown_option_shows_the_usage()
    {
        var (status, _, error) = Run("-k");
        Assert.Equal(1, status);
        Assert.StartsWith("postconf: invalid option -- 'k'\npostconf: fatal: usage: postconf ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("main.cf", "-n", "a = 1\nbroken\n", "DIR/main.cf, line 2: missing '=' after attribute name: \"broken\"")]
    [InlineData("master.cf", "-n", "smtp inet n\n", "file DIR/master.cf: line 1: bad field count")]
    [InlineData("main.cf", "-M", "broken\n", "DIR/main.cf, line 1: missing '=' after attribute name: \"broken\"")]
    public void A_file_that_is_not_well_formed_is_fatal(string file, string option, string text, string error)
    {
        File.WriteAllText($"{_directory}/{file}", text);
        Fails(error, option);
    }

    [Theory]
    [InlineData("relayhost = ${x\n", "truncated macro reference: \"${x\"")]
    [InlineData("relayhost = ${x?{a}b}\n", "\":\" expected at: \"...a}>>>b\"")]
    [InlineData("x = $x\nrelayhost = $x\n", "unreasonable macro call nesting: \"x\"")]
    [InlineData("compatibility_level = new\n", "malformed compatibility level syntax: \"new\"")]
    public void A_malformed_expression_is_fatal_whatever_is_asked(string main, string warning)
    {
        File.WriteAllText($"{_directory}/main.cf", main);
        foreach (var option in (string[])["-n", "-M", "-P"])
        {
            var (status, output, error) = Run(option);
            Assert.Equal((1, ""), (status, output));
            Assert.EndsWith($"postconf: warning: {warning}\npostconf: fatal: macro processing error\n", error, StringComparison.Ordinal);
        }
    }

    // The default of mynetworks asks for what it is made of, whatever is shown.
    [Theory]
    [InlineData("inet_protocols = {IP}", "unknown inet_protocols value \"{IP}\" in \"{IP}\"")]
    [InlineData("inet_protocols = all, IPv4", "unknown inet_protocols value \"IPv4\" in \"all, IPv4\"")]
    [InlineData("mynetworks_style = Host", "unknown mynetworks mask style value \"Host\" in \"Host\"")]
    [InlineData("mynetworks_style =", "bad mynetworks_style value: ; specify exactly one value")]
    [InlineData("mynetworks_style = host subnet\ninet_interfaces = 127.0.0.5", "bad mynetworks_style value: host subnet; specify exactly one value")]
    [InlineData("inet_interfaces = 192.0.2.99", "parameter inet_interfaces: no local interface found for 192.0.2.99")]
    [InlineData("inet_interfaces = 127.0.0.1, [2001:db8::99], 192.0.2.99", "parameter inet_interfaces: no local interface found for 192.0.2.99")]
    [InlineData("inet_interfaces = localhost all", "config variable inet_interfaces: host not found: all")]
    [InlineData("inet_interfaces = {{ addresses }}", "config variable inet_interfaces: host not found: {{")]
    [InlineData("inet_interfaces = 127.0.0.1\ninet_protocols = ipv6", "config variable inet_interfaces: host not found: 127.0.0.1")]
    [InlineData("inet_interfaces = $x\nx = a.invalid", "config variable inet_interfaces: host not found: a.invalid")]
    [InlineData("inet_interfaces = ${x", "dictionary mail_dict: macro processing error")]
    public void Networks_that_can_not_be_found_are_fatal(string main, string error)
    {
        foreach (var option in (string[])["-n", "-M", "-P", "relayhost"])
        {
            File.WriteAllText($"{_directory}/main.cf", $"{main}\n");
            var (status, output, errors) = Run(option);
            Assert.Equal((1, ""), (status, output));
            Assert.EndsWith($"postconf: fatal: {error}\n", errors, StringComparison.Ordinal);
            // Where they are set, nobody asks.
            File.WriteAllText($"{_directory}/main.cf", $"{main.Replace("${x", "$x", StringComparison.Ordinal)}\nmynetworks = 10.0.0.0/8\n");
            Assert.Equal(0, Run(option).Status);
        }
    }

    // What main.cf does not set is nothing there; protocols or interfaces that are none leave no network.
    [Theory]
    [InlineData("inet_interfaces =", "")]
    [InlineData("inet_protocols =\nmynetworks_style = nobody", "")]
    [InlineData("inet_interfaces = $myhostname", "")]
    [InlineData("inet_interfaces = 127.0.0.1\nmynetworks_style = host", "127.0.0.1/32")]
    [InlineData("inet_interfaces = $myhostname, [127.0.0.1] localhost\nmyhostname = localhost\ninet_protocols = ipv4", "127.0.0.0/8")]
    public void Networks_of_interfaces(string main, string networks)
    {
        File.WriteAllText($"{_directory}/main.cf", $"{main}\n");
        Assert.Equal((0, $"{networks}\n"), (Run("-h", "mynetworks").Status, Run("-h", "mynetworks").Output));
    }

    [Fact]
    public void A_malformed_expression_of_a_name_that_is_no_parameter_is_a_warning()
    {
        File.WriteAllText($"{_directory}/main.cf", "mynetworks = 10.0.0.0/8\nbar = a $ b\n");
        File.WriteAllText($"{_directory}/master.cf", "smtp inet n - n - - smtpd -o foo=${x\n");
        var (status, output, error) = Run("-h", "mynetworks");
        Assert.Equal((0, "10.0.0.0/8\n"), (status, output));
        Assert.Contains("postconf: warning: empty macro name: \"a $ b\"\n", error, StringComparison.Ordinal);
        Assert.Contains("postconf: warning: truncated macro reference: \"${x\"\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_malformed_level_is_fatal_where_it_counts()
    {
        File.WriteAllText($"{_directory}/main.cf", "mynetworks = 10.0.0.0/8\ncompatibility_level = {{ level }}\n");
        Assert.Equal(0, Run("-n").Status);
        var (status, _, error) = Run("-x", "append_dot_mydomain");
        Assert.Equal(1, status);
        Assert.EndsWith("postconf: warning: malformed compatibility level syntax: \"{{ level }}\"\npostconf: fatal: macro processing error\n", error, StringComparison.Ordinal);
    }

    // Defaults still look at them.
    [Fact]
    public void An_old_name_that_only_a_service_sets_is_shown_without_a_value()
    {
        File.WriteAllText($"{_directory}/main.cf", "mynetworks = 10.0.0.0/8\n");
        File.WriteAllText($"{_directory}/master.cf", "relay unix - - n - - smtp -o fallback_relay=x -o other=y\n");
        Assert.Equal("fallback_relay =\n", Run("-C", "user").Output);
        Assert.Equal("fallback_relay =\n", Run("fallback_relay").Output);
        Assert.Equal("", Run("-n", "-C", "user").Output);
    }

    [Fact]
    public void Messages_are_ascii()
    {
        File.WriteAllBytes($"{_directory}/main.cf", "mynetworks = 10.0.0.0/8\nx = é\ty\n"u8.ToArray());
        Assert.EndsWith("main.cf: unused parameter: x=???y\n", Run("-n").Error, StringComparison.Ordinal);
        File.WriteAllBytes($"{_directory}/main.cf", [.. "mynetworks = 10.0.0.0/8\nx = "u8, 0xE9, (byte)'\n']);
        Assert.EndsWith("main.cf: unused parameter: x=?\n", Run("-n").Error, StringComparison.Ordinal);
        File.WriteAllBytes($"{_directory}/main.cf", [0xE9, (byte)'\n']);
        Assert.EndsWith("main.cf, line 1: missing '=' after attribute name: \"?\"\n", Run("-n").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_of_any_length_is_one()
    {
        File.WriteAllText($"{_directory}/master.cf", "smtp inet n - n 99999999999? 99999999999 smtpd\n");
        Assert.Equal((0, "smtp       inet  n       -       n       99999999999? 99999999999 smtpd\n"), (Run("-M").Status, Run("-M").Output));
    }

    [Theory]
    [InlineData("smtp inut n - n - - smtpd", "invalid type field \"inut\"")]
    [InlineData("smtp inet n - n x - smtpd", "invalid wakeup field \"x\"")]
    [InlineData("smtp inet n - n - -1 smtpd", "invalid process_limit field \"-1\"")]
    public void A_field_that_is_not_valid_is_fatal(string line, string error)
    {
        File.WriteAllText($"{_directory}/master.cf", line + "\n");
        Fails($"{error} in \"{line}\"", "-n");
    }

    [Fact]
    public void An_argument_that_is_not_well_formed_is_shown_and_warned_of()
    {
        File.WriteAllText($"{_directory}/master.cf", "smtp inet n - n - - smtpd -o { foo\nx unix - - n - - pipe argv {a}b\n");
        var (status, output, error) = Run("-M");
        Assert.Equal((0, "smtp       inet  n       -       n       -       -       smtpd -o foo\nx          unix  -       -       n       -       -       pipe argv a\n"), (status, output));
        Assert.Contains("postconf: warning: master.cf: missing '}' in \"{ foo\"\n", error, StringComparison.Ordinal);
        Assert.Contains("postconf: warning: master.cf: missing '=' after attribute name: \"foo\"\n", error, StringComparison.Ordinal);
        Assert.Contains("postconf: warning: master.cf: syntax error after '}' in \"{a}b\"\n", error, StringComparison.Ordinal);
    }

    // Which names are used: (main.cf, options of a service, unused, undefined).
    [Theory]
    [InlineData("a=1|relayhost=$a", "", "", "")]
    [InlineData("a=$b", "", "a", "b")]
    [InlineData("a=1", "-o relayhost=$a", "", "")]
    [InlineData("a=1", "-o relayhost=$a -o a=2", "a", "")]
    [InlineData("relayhost=$a", "-o a=2", "", "")]
    [InlineData("a=1", "-o a=2", "a a", "")]
    [InlineData("smtpd_restriction_classes=a, $b|b=c|c=1", "", "", "a")]
    [InlineData("a=1", "-o smtpd_restriction_classes=a", "", "")]
    [InlineData("alias_maps=proxy:ldap:a, !mysql:b|a_server_host=x|a_nosuch=y|b_hosts=z", "", "a_nosuch b_hosts", "")]
    [InlineData("a_hosts=1", "-o alias_maps=unionmap:{mysql:a}", "", "")]
    [InlineData("alias_maps=mysql:a", "-o a_hosts=1", "", "")]
    [InlineData("x=mysql:a|a_hosts=1", "", "a_hosts x", "")]
    [InlineData("x=mysql:a|a_hosts=1|relayhost=$x", "", "", "")]
    [InlineData("other-name_destination_recipient_limit=1|nosuch_destination_recipient_limit=1", "", "nosuch_destination_recipient_limit", "")]
    [InlineData("mailbox_command=$user|fallback_relay=x|virtual_maps=y", "", "", "")]
    public void Names_that_are_used(string main, string options, string unused, string undefined)
    {
        File.WriteAllText($"{_directory}/main.cf", main.Replace('|', '\n') + "\n");
        File.WriteAllText($"{_directory}/master.cf", $"smtp inet n - n - - smtpd {options}\nother-name unix - - n - - smtp\n");
        var error = Run("-n").Error;
        string Found(string text) => string.Join(' ', error.Split('\n').Where(l => l.Contains(text, StringComparison.Ordinal)).Select(l => l[(l.IndexOf(text, StringComparison.Ordinal) + text.Length)..].Split('=')[0]).Order(StringComparer.Ordinal));
        Assert.Equal((unused, undefined), (Found("unused parameter: "), Found("undefined parameter: ")));
        Assert.DoesNotContain("parameter:", Run("-nq").Error.Replace("undefined parameter:", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_need_no_main_cf_and_warn_of_nothing()
    {
        File.WriteAllText($"{_directory}/main.cf", "not well formed\n");
        Assert.Equal((0, "biff = yes\n", ""), Run("-d", "biff"));
    }

    [Fact]
    public void Templates_of_reports_as_written_and_expanded()
    {
        var path = $"{_directory}/bounce.cf";
        File.WriteAllText(path, "failure_template = <<END\nCharset: utf-8\nFrom: Mail <m>\nSubject: Lost\nPostmaster-Subject: Copy\n\nAt $myhostname, $maximal_queue_lifetime_days days, $$5.\nEND\n");
        Assert.StartsWith("failure_template = <<EOF\nCharset: utf-8\nFrom: Mail <m>\nSubject: Lost\nPostmaster-Subject: Copy\n\nAt $myhostname, $maximal_queue_lifetime_days days, $$5.\nEOF\n\ndelay_template = <<EOF\n", Run("-t", path).Output, StringComparison.Ordinal);
        Assert.StartsWith("expanded_failure_text = <<EOF\nAt mx.example.org, 5 days, $5.\nEOF\n\nexpanded_delay_text = <<EOF\n", Run("-b", path).Output, StringComparison.Ordinal);
        File.AppendAllText($"{_directory}/main.cf", $"bounce_template_file = {path}\n");
        Assert.Contains("Subject: Lost\n", Run("-t").Output, StringComparison.Ordinal);
        Assert.Contains("Subject: Undelivered Mail Returned to Sender\n", Run("-t", "").Output, StringComparison.Ordinal);
        Assert.EndsWith("EOF\n", Run("-t", "").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_templates_that_are_printed_can_be_read_back()
    {
        var printed = Run("-t", "").Output;
        File.WriteAllText($"{_directory}/bounce.cf", printed);
        Assert.Equal((0, printed, ""), Run("-t", $"{_directory}/bounce.cf"));
    }

    [Fact]
    public void The_TLS_library()
    {
        Assert.Matches(@"^OpenSSL [0-9]+\.[0-9]+\.[0-9]+\n$", Run("-T", "run-version").Output);
        Assert.Equal("dsa\necdsa\nrsa\n", Run("-T", "public-key-algorithms").Output);
        Assert.Equal((1, "", "postconf: warning: unknown 'postconf -T' mode: x\n"), Run("-T", "x"));
    }

    [Fact]
    public void A_missing_main_cf_is_fatal()
    {
        var (status, _, error) = CommandRun.Postconf("-c", "/nonexistent", "-n");
        Assert.Equal((1, "postconf: fatal: open /nonexistent/main.cf: No such file or directory\n"), (status, error));
    }

    [Fact]
    public void The_environment_names_the_directory()
    {
        var environment = new Dictionary<string, string> { ["MAIL_CONFIG"] = _directory };
        Assert.Equal("bar\n", CommandRun.Run(Postconf.Run, "postconf", ["-h", "foo"], environment).Output);
    }

    [Theory]
    [InlineData("foo = 7", "-e", "foo=7")]
    [InlineData("foo = 7", "foo = 7")]
    [InlineData("foo = ", "foo=")]
    [InlineData("#foo = bar", "-#", "foo")]
    [InlineData(null, "-X", "foo")]
    public void Changes_of_main_cf(string? line, params string[] arguments)
    {
        Answers("", arguments);
        Assert.Equal(Main.Replace("foo = bar\n", line is null ? "" : $"{line}\n", StringComparison.Ordinal), File.ReadAllText($"{_directory}/main.cf"));
        Assert.False(File.Exists($"{_directory}/main.cf.tmp"));
    }

    [Fact]
    public void Several_entries_of_one_name_are_warned_of_and_all_changed()
    {
        File.AppendAllText($"{_directory}/main.cf", "foo = again\n");
        var (_, _, error) = Run("foo=1");
        Assert.Equal("postconf: warning: DIR/main.cf: multiple entries for \"foo\"\n", error);
        Assert.Equal(2, File.ReadAllText($"{_directory}/main.cf").Split('\n').Count(line => line == "foo = 1"));
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public void A_change_keeps_the_files_mode_and_bytes_that_are_no_text()
    {
        var path = $"{_directory}/main.cf";
        File.WriteAllBytes(path, [(byte)'#', 0xE9, (byte)'\n', .. "a = b\n"u8]);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Run("-e", "c=d");
        Assert.Equal([(byte)'#', 0xE9, (byte)'\n', .. "a = b\nc = d\n"u8], File.ReadAllBytes(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(path));
    }

    [Theory]
    [InlineData("-Me", "smtp/inet=smtp inet n - n - - smtpd -o x=y", "smtp       inet  n       -       n       -       -       smtpd\n    -o x=y")]
    [InlineData("-Fe", "smtp/inet/chroot=n", "smtp       inet  n       -       n       -       -       smtpd")]
    [InlineData("-Fe", "smtp/inet/command=postscreen -v", "smtp       inet  n       -       y       -       -       postscreen -v")]
    [InlineData("-Pe", "smtp/inet/foo=1", "smtp       inet  n       -       y       -       -       smtpd\n    -o foo=1")]
    [InlineData("-Pe", "smtp/inet/foo=1 2", "smtp       inet  n       -       y       -       -       smtpd\n    -o {foo=1 2}")]
    [InlineData("-M#", "smtp/inet", "#smtp      inet  n       -       y       -       -       smtpd")]
    [InlineData("-MX", "smtp/inet", null)]
    [InlineData("-MX", "smtp/*", null)]
    [InlineData("-Me", "*/inet=smtp inet n - n - - smtpd", "smtp       inet  n       -       n       -       -       smtpd", "submission inet n       -       y       -       -       smtpd\n  -o syslog_name=postfix/$service_name\n  -o { smtpd_client_restrictions = permit_mynetworks, reject }\n  -v\n")]
    [InlineData("-Me", "new/unix=smtp inet n - n - - new", "smtp       inet  n       -       n       -       -       new")]
    [InlineData("-PX", "smtp/inet/nosuch", "smtp       inet  n       -       y       -       -       smtpd")]
    public void Changes_of_master_cf(string option, string request, string? lines, string gone = "#")
    {
        Answers("", option, request);
        Assert.Equal(
            (gone == "#" ? Master : Master.Replace(gone, "", StringComparison.Ordinal)).Replace("smtp      inet  n       -       y       -       -       smtpd\n", lines is null ? "" : $"{lines}\n", StringComparison.Ordinal),
            File.ReadAllText($"{_directory}/master.cf"));
    }

    [Fact]
    public void A_setting_of_a_service_is_changed_in_its_place_or_removed()
    {
        Run("-Pe", "submission/inet/syslog_name=zz");
        Answers("submission/inet/smtpd_client_restrictions = permit_mynetworks, reject\nsubmission/inet/syslog_name = zz", "-P");
        Run("-PX", "submission/inet/syslog_name");
        Answers("submission/inet/smtpd_client_restrictions = permit_mynetworks, reject", "-P");
        Assert.Contains("# the end\n", File.ReadAllText($"{_directory}/master.cf"), StringComparison.Ordinal);
    }

    [Fact]
    public void Comments_within_a_service_come_before_its_changed_form_and_after_one_in_its_place_and_those_after_it_stay()
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp -o x=1\n# within\n\n  -o y=2\n# after\nb unix - - n - - smtp\n");
        Answers("", "-Fe", "a/unix/chroot=y");
        Assert.Equal("# within\n\na          unix  -       -       y       -       -       smtp\n    -o x=1\n    -o y=2\n# after\nb unix - - n - - smtp\n", File.ReadAllText($"{_directory}/master.cf"));
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp -o x=1\n# within\n\n  -o y=2\n# after\nb unix - - n - - smtp\n");
        Answers("", "-Me", "a/unix=a unix - - y - - smtp");
        Assert.Equal("a          unix  -       -       y       -       -       smtp\n# within\n\n# after\nb unix - - n - - smtp\n", File.ReadAllText($"{_directory}/master.cf"));
    }

    [Theory]
    [InlineData("-Fe", "b/foo/chroot=y")]
    [InlineData("-PX", "*/*/x")]
    public void A_service_that_is_not_well_formed_is_not_changed(string option, string request)
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp\nb foo - - n - - smtp\n");
        Fails("invalid type field \"foo\" in \"b foo - - n - - smtp\"", option, request);
        Answers("", "-MX", "b/foo");
        Assert.Equal("a unix - - n - - smtp\n", File.ReadAllText($"{_directory}/master.cf"));
    }

    [Theory]
    [InlineData("-Me", "b/unix=b unix - - n - - lmtp", "b          unix  -       -       n       -       -       lmtp\n")]
    [InlineData("-MX", "b/*", "")]
    [InlineData("-M#", "b/unix", "#b unix - -\n#  n\n")]
    public void An_entry_with_too_few_fields_is_replaced_or_removed_by_its_name_and_type(string option, string request, string instead)
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp\nb unix - -\n  n\n# c\n");
        Answers("", option, request);
        Assert.Equal($"a unix - - n - - smtp\n{instead}# c\n", File.ReadAllText($"{_directory}/master.cf"));
    }

    [Theory]
    [InlineData("-Fe", "b/unix/chroot=n")]
    [InlineData("-PX", "*/*/x")]
    [InlineData("-Pe", "*/unix/x=y")]
    public void An_entry_with_too_few_fields_has_none_to_be_changed(string option, string request)
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp\nb unix - -\n");
        Fails("file DIR/master.cf: line 2: bad field count", option, request);
        Answers("", option, request.Replace("b/", "a/", StringComparison.Ordinal).Replace("*/", "a/", StringComparison.Ordinal).Replace("a/a/", "a/unix/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a = b\nfoo = 1\n", "-e", "foo=1")]
    [InlineData("a = b\n", "-X", "foo")]
    [InlineData("a = b\n#foo bar\n", "-#", "foo")]
    public void A_line_of_main_cf_without_equals_sign_is_mended_or_removed_by_its_name(string expected, params string[] arguments)
    {
        File.WriteAllText($"{_directory}/main.cf", "a = b\nfoo bar\n");
        Answers("", arguments);
        Assert.Equal(expected, File.ReadAllText($"{_directory}/main.cf"));
    }

    [Fact]
    public void A_first_line_of_master_cf_that_starts_with_white_space_is_no_entry()
    {
        File.WriteAllText($"{_directory}/master.cf", "  odd\na unix - - n - - smtp\n");
        Answers("", "-Fe", "*/*/chroot=y");
        Assert.Equal("  odd\na          unix  -       -       y       -       -       smtp\n", File.ReadAllText($"{_directory}/master.cf"));
    }

    [Fact]
    public void A_line_of_master_cf_that_names_no_type_can_be_asked_nothing()
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp\nb\n");
        Fails("file DIR/master.cf: line 2: specify service name and type on the same line", "-MX", "a/unix");
    }

    [Fact]
    public void Of_two_requests_for_one_name_the_last_counts()
    {
        var (status, _, error) = Run("-e", "foo=1", "relayhost=x", "foo = 2");
        Assert.Equal((0, "postconf: warning: ignoring earlier request: 'foo = 1'\n"), (status, error));
        Assert.Equal("foo = 2\nrelayhost = x\n", Run("foo", "relayhost").Output);
    }

    [Fact]
    public void What_a_program_is_main_cf_does_not_say()
    {
        File.WriteAllText($"{_directory}/main.cf", "process_name = foo\nprocess_id = 5\nservice_name = x\nmydestination = $process_name\n");
        var (_, output, error) = Run("-nx");
        Assert.Equal("config_directory = DIR\nmydestination = postconf\n", output);
        Assert.Equal("process_id=5 process_name=foo service_name=x", string.Join(' ', error.Split('\n').Where(l => l.Contains(": DIR/main.cf: read-only parameter assignment: ", StringComparison.Ordinal)).Select(l => l.Split(' ')[^1]).Order(StringComparer.Ordinal)));
        File.AppendAllText($"{_directory}/main.cf", "config_directory = /other\n");
        Assert.Equal("config_directory = /other\n", Run("config_directory").Output);
    }

    [Fact]
    public void Services_of_one_name_and_type_share_their_settings()
    {
        File.WriteAllText($"{_directory}/master.cf", "a unix - - n - - smtp -o relayhost=1\na unix - - n - 2 smtp -o relayhost=2 -o fallback_relay=3\n");
        Answers("a/unix/fallback_relay = 3\na/unix/relayhost = 2\na/unix/fallback_relay = 3\na/unix/relayhost = 2", "-P");
    }

    [Fact]
    public void A_new_service_goes_to_the_end()
    {
        Answers("", "-Me", "new/unix=new unix - - n - 1 lmtp");
        Assert.Equal($"{Master}new        unix  -       -       n       -       1       lmtp\n", File.ReadAllText($"{_directory}/master.cf"));
    }
}
