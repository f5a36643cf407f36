using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>pipe(8) and filters in a running system: who runs a command is what master has read in master.cf.</summary>
public sealed class PipeTests
{
    [Fact]
    public void A_service_runs_as_the_user_and_group_that_master_cf_names_also_after_a_reload()
    {
        if (Libc.geteuid() != 0)
        {
            Assert.Skip("needs root: identities are taken");
        }
        using var mail = new Instance("mail_owner = games\nqueue_owner = news\nsetgid_group = news\nrelay_domains = one.test two.test\ntransport_maps = inline:{one.test=one: two.test=two:}\ntransport_retry_time = 1s\nminimal_backoff_time = 1s\nqueue_run_delay = 1s");
        Assert.Equal(0, UserAccount.Find("games", out var games));
        Directory.CreateDirectory($"{mail.Top}/log");
        foreach (var directory in (string[])["log", "data"])
        {
            Assert.Equal(0, Libc.chown($"{mail.Top}/{directory}", games!.Uid, games.Gid));
        }
        mail.LogTo($"{mail.Top}/log/maillog");
        Service("one", "user=daemon");
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "User+x@one.test", "Subject: one\n\nx\n");
        mail.Logged("status=sent (delivered via one service (daemon daemon daemon User+x@one.test s@box.test))");
        // A new service, whose group is not its user's own.
        Service("two", "user=daemon:mail");
        mail.Reload();
        Client.Send(mail.Smtp, "s@box.test", "u@two.test", "Subject: two\n\nx\n");
        mail.Logged("status=sent (delivered via two service (daemon mail mail u@two.test s@box.test))");
        mail.Verify();

        void Service(string name, string user) => File.AppendAllText(
            mail.MasterCf, $"{name} unix - n n - - pipe {user}\n  argv=/bin/sh -c {{cat >/dev/null; echo $$(id -un; id -gn; id -Gn) \"$$1\" \"$$2\"}} sh ${{recipient}} ${{sender}}\n");
    }

    [Fact]
    public void Mail_goes_through_its_filter_and_comes_back_with_who_sent_it()
    {
        using var back = new Port();
        using var mail = new Instance($"content_filter = scan:[127.0.0.1]:{back.Number}\nvirtual_alias_maps = inline:{{x@box.test=anyone@box.test}}");
        File.AppendAllText(
            mail.MasterCf,
            "scan unix - - n - - smtp -o smtp_send_xforward_command=yes\n"
                + $"127.0.0.1:{back.Number} inet n - n - - smtpd -o content_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n"
                + "  -o receive_override_options=no_unknown_recipient_checks,no_address_mappings,no_header_body_checks,no_milters\n");
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "anyone@box.test", "Subject: filtered\n\nx\n");
        var received = mail.Delivered("anyone", "Subject: filtered");
        // Once by the client, once by the filter.
        Assert.Equal(2, received.Split("\nReceived: ").Length - 1);
        mail.Logged($"relay=127.0.0.1[127.0.0.1]:{back.Number}, ");
        mail.Logged(", orig_client=localhost[127.0.0.1]");
        mail.Logged(", orig_queue_id=");
        mail.Verify();
    }

    /// <summary>Through smtpd, the queue and its links to each agent: a filter's next hop, a command, a mailbox command, a forward.</summary>
    [Fact]
    public void Agents_learn_what_XFORWARD_and_a_login_said()
    {
        if (Libc.geteuid() != 0)
        {
            Assert.Skip("needs root: commands run as users");
        }
        using var back = new Port();
        using var mail = new Instance(
            "mail_owner = games\nqueue_owner = news\nsetgid_group = news\nmydestination = local.test\nlocal_recipient_maps =\nrelay_domains = one.test out.test\n"
            + $"transport_maps = inline:{{one.test=one: out.test=out:[127.0.0.1]:{back.Number}}}\nsmtpd_authorized_xforward_hosts = 127.0.0.0/8\nsmtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
            + "smtpd_sasl_auth_enable = yes\nalias_maps = inline:{fwd=x@out.test}\n"
            + "mailbox_command = echo $CLIENT_ADDRESS $CLIENT_HOSTNAME $CLIENT_HELO $CLIENT_PROTOCOL $SASL_USERNAME; exit 67");
        Assert.Equal(0, UserAccount.Find("games", out var games));
        Directory.CreateDirectory($"{mail.Top}/log");
        foreach (var directory in (string[])["log", "data"])
        {
            Assert.Equal(0, Libc.chown($"{mail.Top}/{directory}", games!.Uid, games.Gid));
        }
        mail.LogTo($"{mail.Top}/log/maillog");
        File.AppendAllText(
            mail.MasterCf,
            "one unix - n n - - pipe user=daemon\n  argv=/bin/sh -c {cat >/dev/null; echo \"$$*\"} sh ${client_address} ${client_hostname} ${client_port} ${client_helo} ${client_protocol} ${sasl_username}\n"
                + "out unix - - n - - smtp -o smtp_send_xforward_command=yes\n"
                + $"127.0.0.1:{back.Number} inet n - n - - smtpd -o syslog_name=postfix/back -o relay_domains=out.test\n  -o {{ smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access static:DISCARD }}\n");
        mail.Start();
        using (var client = new Client(mail.Smtp))
        {
            client.Expect("220", "XCLIENT LOGIN=bob");
            client.Expect("250", "EHLO hop.test");
            client.Expect("250", "XFORWARD NAME=orig.example ADDR=192.0.2.9 PORT=77 HELO=h.example PROTO=SMTP IDENT=abc");
            Assert.StartsWith("250", client.Mail("s@box.test", "u@one.test daemon@local.test fwd@local.test y@out.test", "Subject: x\n\nx\n"), StringComparison.Ordinal);
        }
        mail.Logged("(delivered via one service (192.0.2.9 orig.example 77 h.example SMTP bob))");
        mail.Logged("Command output: 192.0.2.9 orig.example h.example SMTP bob");
        Poll.Until(() => mail.Log.Split('\n').Count(l => l.Contains("postfix/back", StringComparison.Ordinal) && l.Contains(", orig_queue_id=abc, orig_client=orig.example[192.0.2.9]", StringComparison.Ordinal)) == 2, () => mail.Log);
        mail.Verify();
    }

    /// <summary>FILTER_README, "Simple content filter".</summary>
    [Fact]
    public void A_script_filters_mail_and_gives_it_back_to_sendmail()
    {
        if (Libc.geteuid() != 0)
        {
            Assert.Skip("needs root: the script runs as a user of its own");
        }
        using var mail = new Instance("mail_owner = games\nqueue_owner = news\nsetgid_group = news\nexport_environment = PATH DOTNET_ROOT\nimport_environment = PATH DOTNET_ROOT");
        Assert.Equal(0, UserAccount.Find("games", out var games));
        Directory.CreateDirectory($"{mail.Top}/log");
        foreach (var directory in (string[])["log", "data"])
        {
            Assert.Equal(0, Libc.chown($"{mail.Top}/{directory}", games!.Uid, games.Gid));
        }
        mail.LogTo($"{mail.Top}/log/maillog");
        var script = $"{mail.Top}/filter";
        File.WriteAllText(script, $$"""
            #!/bin/sh
            # The script's user has no home, and none of it may be left behind.
            text=$(cat; echo .)
            case $text in
                *"Subject: virus"*) echo "it has a virus"; exit 69;;
                *"Subject: later"*) echo "not now"; exit 75;;
            esac
            printf 'X-Filtered: yes\n%s' "${text%.}" | "{{Program.Facteur}}" sendmail -C "{{mail.Top}}/etc" -G -i "$@" || exit 75
            """);
        Assert.Equal(0, Libc.chmod(script, 0x1ED));
        File.AppendAllText(mail.MasterCf, $"filter unix - n n - 10 pipe\n  flags=Rq user=nobody null_sender= argv={script} -f ${{sender}} -- ${{recipient}}\n");
        // Of what comes by SMTP alone: what sendmail brings has been there.
        File.WriteAllText(mail.MasterCf, File.ReadAllText(mail.MasterCf).Replace("- smtpd\n", "- smtpd -o content_filter=filter:dummy\n", StringComparison.Ordinal));
        mail.Start();
        Client.Send(mail.Smtp, "s@box.test", "anyone@box.test two@box.test", "Subject: clean\n\n..text\n");
        foreach (var box in (string[])["anyone", "two"])
        {
            var received = mail.Delivered(box, "Subject: clean");
            Assert.Contains("\nX-Filtered: yes\nReceived: from client.test ", received, StringComparison.Ordinal);
            Assert.StartsWith("Return-Path: <s@box.test>\n", received, StringComparison.Ordinal);
            Assert.EndsWith("\n\n.text\n", received, StringComparison.Ordinal);
        }
        mail.Logged("status=sent (delivered via filter service)");
        Client.Send(mail.Smtp, "s@box.test", "anyone@box.test", "Subject: virus\n\nx\n");
        mail.Logged("relay=filter, ");
        mail.Logged("status=bounced (service unavailable. Command output: it has a virus )");
        mail.Delivered("s", "it has a virus");
        Client.Send(mail.Smtp, "s@box.test", "anyone@box.test", "Subject: later\n\nx\n");
        mail.Logged("status=deferred (temporary failure. Command output: not now )");
        // Whose sender is nobody still has one for the script.
        Client.Send(mail.Smtp, "", "postmaster@box.test", "Subject: null\n\nx\n");
        Assert.StartsWith("Return-Path: <>\n", mail.Delivered("postmaster", "Subject: null"), StringComparison.Ordinal);
        mail.Verify();
    }
}
