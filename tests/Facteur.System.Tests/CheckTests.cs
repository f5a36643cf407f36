using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>"facteur check" as it is called: what it prints where, and how it ends.</summary>
public sealed class CheckTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-check-").FullName;

    public CheckTests()
    {
        // As root, what strangers may do is judged as mail_owner.
        Assert.Equal(0, Libc.chmod(_directory, 0x1ED));
        Directory.CreateDirectory($"{_directory}/spool");
        Directory.CreateDirectory($"{_directory}/data");
        Write("checks", "/(a)\\1/ WARN\n/x(/ WARN\n");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Everything_is_said_at_once_with_its_place()
    {
        Main("""
            smtpd_recipient_restriction = permit
            smtpd_recipient_limit = many
            virtual_alias_domains = a.test
            transport_maps = texthash:/no/transport
            header_checks = regexp:DIR/checks
            soft_bounce = perhaps
            relayhost = [$myhostnane]
            smtpd_tls_cert_file = /no/cert.pem
            smtp_use_tls = yes
            mailbox_size_limit = 10
            """);
        Write("master.cf", """
            smtp inet n - n - - smtpd
              -o smtpd_delay_reject=no
              -o smtpd_delay_rejekt=no
            odd unix - - n - - smtpf
            cleanup unix n - n - 0 cleanup
            local unix - n n - - local
            """);
        var check = Check();
        Assert.Equal((1, ""), (check.Exit, check.Error));
        string[] expected =
        [
            "DIR/main.cf:9: warning: unused parameter: smtpd_recipient_restriction: no parameter has this name, and nothing refers to it; the nearest name is smtpd_recipient_restrictions",
            "DIR/main.cf:10: error: bad numerical configuration: smtpd_recipient_limit = many",
            "DIR/main.cf:11: warning: do not list domain a.test in BOTH mydestination and virtual_alias_domains",
            "DIR/main.cf:12: error: transport_maps: texthash:/no/transport can't be opened: open database /no/transport: No such file or directory",
            "DIR/main.cf:14: error: bad boolean configuration: soft_bounce = perhaps",
            "DIR/main.cf:15: warning: undefined parameter: myhostnane; the nearest name is myhostname",
            "DIR/main.cf:16: error: smtpd_tls_cert_file: open /no/cert.pem: No such file or directory",
            "DIR/main.cf:17: warning: support for parameter \"smtp_use_tls\" will be removed; instead, specify \"smtp_tls_security_level\"",
            "DIR/main.cf:18: error: mailbox_size_limit = 10 is smaller than message_size_limit = 10240000: local(8) does not deliver with it",
            "DIR/master.cf:1: note: smtp/inet: closed: strangers can't relay: smtpd_relay_restrictions refuses them (its default)",
            "DIR/master.cf:3: warning: unused parameter: smtpd_delay_rejekt: no parameter has this name, and nothing refers to it; the nearest name is smtpd_delay_reject",
            "DIR/master.cf:4: warning: service odd/unix (smtpf): there is no program smtpf: mail for it waits",
            "DIR/checks:1: note: the pattern /(a)\\1/ has a back-reference: ",
            "DIR/checks:2: warning: Unmatched ( or \\(",
        ];
        var lines = check.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var at = 0;
        foreach (var line in expected.Select(l => l.Replace("DIR", _directory, StringComparison.Ordinal)))
        {
            // In this order; other findings may stand between.
            at = Array.FindIndex(lines, at, l => l.StartsWith(line, StringComparison.Ordinal)) + 1;
            Assert.True(at > 0, $"{line}\n\n{check.Output}");
        }
    }

    [Fact]
    public void Notes_alone_are_no_mistake()
    {
        Main("");
        Write("master.cf", "smtp inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nlocal unix - n n - - local\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\nvirtual unix - n n - - virtual\n");
        var check = Check();
        Assert.Equal("", check.Error);
        Assert.All(check.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Contains(": note: ", line, StringComparison.Ordinal));
        Assert.Contains("smtp/inet: closed: ", check.Output, StringComparison.Ordinal);
        Assert.Equal(0, check.Exit);
    }

    /// <summary>What keeps services from being made keeps nothing else from being said.</summary>
    [Theory]
    [InlineData("alias_database = texthash:{a", "closed: strangers can't relay")]
    [InlineData("header_checks = regexp:{ {/a/ REJECT}", "closed: serves nobody: missing '}' in \"regexp:{ {/a/ REJECT}\"")]
    [InlineData("header_checks = regexp:{ {/a$/ REJECT} }", "closed: strangers can't relay")]
    [InlineData("virtual_mailbox_maps = proxy:texthash:/no/file\nbody_checks = pcre:{{/a/ REJECT}", "closed: serves nobody")]
    public void A_list_that_is_not_well_formed_leaves_each_listener_its_verdict(string line, string verdict)
    {
        Main($"{line}\nsoft_bounce = perhaps");
        Write("master.cf", "smtp inet n - n - - smtpd\n2525 inet n - n - - smtpd\n");
        var check = Check();
        Assert.Equal((1, ""), (check.Exit, check.Error));
        Assert.Contains($"master.cf:1: {(verdict.Contains("nobody") ? "error" : "note")}: smtp/inet: {verdict}", check.Output, StringComparison.Ordinal);
        Assert.Contains($"master.cf:2: {(verdict.Contains("nobody") ? "error" : "note")}: 2525/inet: {verdict}", check.Output, StringComparison.Ordinal);
        Assert.Contains(": error: bad boolean configuration: soft_bounce = perhaps", check.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-z")]
    [InlineData("operand")]
    [InlineData("-c")]
    public void Wrong_usage_is_another_status(string argument)
    {
        var check = Program.Run(Program.Facteur, ["check", argument]);
        Assert.Equal((64, ""), (check.Exit, check.Output));
        Assert.EndsWith("usage: facteur check [-c config_dir]\n", check.Error, StringComparison.Ordinal);
    }

    private Outcome Check() => Program.Run(Program.Facteur, ["check", "-c", _directory]);

    private void Main(string lines) => Write("main.cf", $"""
        compatibility_level = 3.11
        queue_directory = {_directory}/spool
        data_directory = {_directory}/data
        myhostname = mail.test
        mydestination = a.test
        mynetworks = 127.0.0.0/8
        inet_interfaces = 127.0.0.1
        alias_maps =
        {lines.Replace("DIR", _directory, StringComparison.Ordinal)}
        mail_owner = mail
        setgid_group = tty

        """);

    private void Write(string name, string text) => File.WriteAllText($"{_directory}/{name}", text);
}
