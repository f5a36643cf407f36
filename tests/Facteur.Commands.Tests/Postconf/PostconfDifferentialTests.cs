using System.Diagnostics;
using Xunit.Sdk;

namespace Facteur.Commands.Tests;

/// <summary>The same files and arguments given to us and to the postconf of an installed Postfix: output, exit status and errors are the same.</summary>
public sealed class PostconfDifferentialTests : IDisposable
{
    private const string Installed = "/usr/sbin/postconf";

    private const string Main = """
        # comment
        compatibility_level = 3.6
        mail_name = Postfix
        myhostname = mx.example.org
        mynetworks = 127.0.0.0/8 [::1]/128
        alias_maps = hash:/etc/aliases, $virtual_alias_maps
        virtual_alias_maps = proxy:ldap:people, mysql:{ x }
        people_server_host = ldap.example.org
        people_search_base = dc=example
        people_nosuch = 1
        smtpd_restriction_classes = insiders, $more
        more = outsiders
        insiders = check_recipient_access inline:{ {a = b c}, d=e }, $policy
        policy = check_policy_service unix:private/policy
        smtpd_recipient_restrictions = permit_mynetworks, reject_unknown_recipient_domain, insiders,
        	# in between
            reject_unauth_destination
        smtp-amavis_destination_concurrency_limit = 2
        amavis_destination_recipient_limit = 1
        nosuch_destination_recipient_limit = 1
        policy_time_limit = 3600
        relayhost = ${more?{[relay.example.org]}:{}}
        smtp_bind_address = ${{$compatibility_level} <level {3.10} ? {192.0.2.1} : {192.0.2.2}}
        never_used = $neither
        mailbox_command = /usr/bin/deliver -d $user $(nothing)
        smtpd_banner = $undefined $$ ${empty:{none}}  two   blanks
        local_transport = ${{$myhostname} == {mx.example.org} ? { local:x } : {no}}

        """;

    private const string Master = """
        smtp      inet  n       -       y       -       -       smtpd
          -o smtpd_client_restrictions=$mua_client -o mua_client=permit
        submission inet n       -       y       -       -       smtpd -v -o syslog_name=postfix/$service_name
          -o { smtpd_helo_restrictions = permit_mynetworks, reject }
          -o nobody_uses=this -vo alias_maps=$outsider -vv -Dv
        smtp-amavis unix -      -       n       -       2       smtp
        amavis    unix  -       -       n       1000?   10      lmtp -o virtual_alias_maps=ldap:mine -o mine_server_host=there -o mine_unknown=1
        maildrop  unix  -       n       n       -       -       pipe
          flags=DRXhu user=vmail argv=/usr/local/bin/maildrop -w 90 -d ${user}@${nexthop} ${extension} ${recipient}
        policy    unix  -       n       n       -       0       spawn user=nobody argv=/usr/bin/policy

        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-postconf-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public Task Answers() => Task.WhenAll(((IEnumerable<string>)
    [
        "-n",
        "-nf",
        "-nx",
        "-nxf",
        "-nh",
        "-nH",
        "-n -C builtin",
        "-n -C service",
        "-n -C user",
        "-C service",
        "-d -C service",
        "-x -C user,service",
        "-M",
        "-Mf",
        "-Mx",
        "-M smtp/inet policy",
        "-M */unix nosuch",
        "-F",
        "-Ff maildrop",
        "-Fh smtp/inet/chroot amavis/*/process_limit",
        "-FH policy",
        "-P",
        "-Px",
        "-Ph submission",
        "-PH",
        "-P */*/syslog_name smtp/inet/nosuch",
        "-h myhostname insiders nosuch smtp-amavis_destination_concurrency_limit",
        "-d relayhost policy_time_limit amavis_initial_destination_concurrency",
        "-x -o more=yes relayhost",
        "-o added=$myhostname -o relayhost=$added -x relayhost",
        "-p smtpd_banner local_transport",
        "-l",
        "-T nosuch",
        "-e foo=bar smtpd_banner=x myhostname=y never_used=",
        "relayhost=[other]",
        "-X never_used people_nosuch nowhere",
        "-# smtpd_recipient_restrictions more",
        "-MX amavis/unix nosuch/unix",
        "-M# maildrop/unix",
        "-Fe smtp/inet/chroot=n */unix/process_limit=7",
        "-Pe smtp/inet/mua_client=reject smtp/inet/new=1 policy/unix/x=y",
        "-PX submission/inet/nobody_uses smtp/inet/mua_client",
        "-MX */unix",
        "-M# */inet nosuch/*",
        "-Me smtp/inet=other",
        "-PX maildrop/unix/nosuch",
        "-F smtp/inet/private */inet/chroot",
        "-M smtp policy smtp/inet",
        "-P amavis amavis/unix/mine_unknown",
        "-Fx amavis",
        "-e foo=1 foo=2",
    ]).Select((arguments, i) => Same(Main, Master, arguments, $"{i}")));

    // A fatal error costs Postfix a second each: all at once.
    [Fact]
    public Task Errors() => Task.WhenAll(((IEnumerable<(string Main, string Master, string Arguments)>)
    [
        ("relayhost = ${x\n", "", "-n"),
        ("relayhost = a $ b\n", "", "-x"),
        ("relayhost = ${{a} ~ {b} ? {c}}\n", "", "-n"),
        ("relayhost = ${{a} == {b} ? {c} d}\n", "", "-n"),
        ("relayhost = $relayhost\n", "", "-n"),
        ("good = 1\nbad\n", "", "-n"),
        ("good = 1\n", "smtp inet n - n - - smtpd\nsmtp inut n - n - - smtpd\n", "-n"),
        ("good = 1\n", "smtp inet n - q - - smtpd\n", "-M"),
        ("good = 1\n", "smtp inet n - n - ten smtpd\n", "-P"),
        ("good = 1\n", "smtp inet n - n - - smtpd -o { x\n", "-P"),
        ("good = 1\n", "smtp inet n - n - - smtpd -o relayhost=$good${ argv\n", "-n"),
        ("good = 1\n", "smtp inet n - n\n", "-n"),
        ("good = 1\n", "", "-dn"),
        ("good = 1\n", "", "-Mh"),
        ("good = 1\n", "", "-pM"),
        ("good = 1\n", "", "-e"),
        ("good = 1\n", "", "-e x"),
        ("good = 1\n", "", "-X"),
        ("good = 1\n", "", "-C nosuch"),
        ("good = 1\n", "", "-Me x/y"),
        ("good = 1\n", "", "-M a/b/c"),
        ("good = 1\n", "", "-t a b"),
        ("good = 1\n", "", "-bx"),
        ("good = 1\n", "", "-aA"),
        ("good = 1\n", "", "-X -h good"),
        ("good = 1\n", "", "-X good=2"),
        ("good = 1\n", "", "-f good=2"),
        ("good = 1\n", "", "-o a=b -e good=2"),
        ("good = 1\n", "", "-Fe a/chroot=n"),
        ("good = 1\n", "", "-PX a/b/*"),
        ("good = 1\n", "", "-Fe a/b/*=c"),
        ("good = 1\n", "local unix - n n - - local\n", "-d -C service"),
        ("good = 1\n", "", "-Pe a/b/c/d=e"),
        ("good = 1\n", "", "-F /"),
        ("good = $nothing\nprocess_name = x\n", "", "-M a/b/c"),
        ("inet_interfaces = 192.0.2.99\nrelayhost = $undefined\n", "smtp inet n - n - - smtpd -o relayhost=$nosuch\n", "-n"),
        ("inet_protocols = {x}\n", "", "-P"),
        ("mynetworks_style = Host\n", "", "-M"),
        ("inet_interfaces = a.invalid\n", "", "relayhost"),
        ("inet_interfaces = ${x\n", "", "-n"),
        ("mynetworks = 10.0.0.0/8\ncompatibility_level = x\nfoo = a $ b\n", "", "-n"),
        ("mynetworks = 10.0.0.0/8\nfoo = é\n", "relay unix - - n - 99999999999 smtp\n", "-M"),
    ]).Select((c, i) => Same(c.Main, c.Master, c.Arguments, $"{i}")));

    private async Task Same(string main, string master, string arguments, string name)
    {
        // Our own names may be links to our executable.
        if (!File.Exists(Installed) || new FileInfo(Installed).LinkTarget is not null)
        {
            throw SkipException.ForSkip("needs the postconf of a Postfix");
        }
        var directory = Directory.CreateDirectory($"{_directory}/{name}").FullName;
        void Write()
        {
            File.WriteAllText($"{directory}/main.cf", main);
            File.WriteAllText($"{directory}/master.cf", master);
        }
        string Files() => File.ReadAllText($"{directory}/main.cf") + "----\n" + File.ReadAllText($"{directory}/master.cf");
        Write();
        var theirs = await Theirs(directory, arguments);
        var theirFiles = Files();
        Write();
        var (status, output, error) = CommandRun.Postconf(["-c", directory, .. arguments.Split(' ')]);
        Assert.Equal(
            $"{arguments}\n{theirs.Output}{string.Join('\n', Lines(theirs.Error))}\n{theirs.Status}\n{theirFiles}",
            $"{arguments}\n{output}{string.Join('\n', Lines(error))}\n{status}\n{Files()}");
    }

    private static async Task<(int Status, string Output, string Error)> Theirs(string directory, string arguments)
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        // Its messages begin with the name that it was called by.
        foreach (var argument in (string[])["-c", $"cd /; PATH={Path.GetDirectoryName(Installed)}; exec postconf \"$@\"", "postconf", "-c", directory, .. arguments.Split(' ')])
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment.Remove("MAIL_CONFIG");
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }

    // Postfix walks hash tables: warnings come in any order, some several times; later releases also warn of old names.
    private static IEnumerable<string> Lines(string text) => text.Split('\n').Distinct().Order(StringComparer.Ordinal);
}
