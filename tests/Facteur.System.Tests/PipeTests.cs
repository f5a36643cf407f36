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
}
