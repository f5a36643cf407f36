using System.Net;
using Facteur.Mail.Envelopes;
using Facteur.Net.Dns;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>Restrictions that ask the DNS, access actions, texts of refusals. Replies and log lines are Postfix's.</summary>
public sealed class UceTests
{
    private const string Head = "NOQUEUE: ";
    private const string Tail = "; from=<a@sender.example> to=<alice@dest.example> proto=ESMTP helo=<c.example>";

    [Theory]
    [InlineData("", "554 5.7.1 Service unavailable; Client host [127.0.7.1] blocked using one.example")]
    [InlineData("t:dns", "250 2.1.5 Ok")]
    public async Task Records_that_the_administrator_ignores_are_none(string filter, string reply)
    {
        var world = new SmtpdWorld(("smtpd_recipient_restrictions", "reject_rbl_client one.example, permit_auth_destination"), ("smtpd_dns_reply_filter", filter));
        world.Dns.Hosts["1.7.0.127.one.example"] = [IPAddress.Parse("127.0.0.2")];
        world.Tables["t:dns"] = new(StringComparer.OrdinalIgnoreCase) { ["1.7.0.127.one.example. 0 IN A 127.0.0.2"] = "IGNORE" };
        Assert.Equal(reply, await RcptAsync(world));
    }

    // Postfix: it warns and passes; the addresses of a host come from the system, where no filter is.
    [Theory]
    [InlineData("reject_unknown_sender_domain, permit_auth_destination", "250 2.1.5 Ok", "sender.example: MX or address lookup error: DNS reply filter drops all results")]
    [InlineData("reject_unknown_helo_hostname, permit_auth_destination", "250 2.1.5 Ok", "c.example: address or MX lookup error: DNS reply filter drops all results")]
    [InlineData("check_sender_a_access t:hosts", "554 5.7.1 <a@sender.example>: Sender address rejected: found", null)]
    public async Task A_filter_that_leaves_nothing_refuses_nothing(string list, string reply, string? warning)
    {
        var world = new SmtpdWorld(("smtpd_recipient_restrictions", list), ("smtpd_dns_reply_filter", "t:dns"));
        world.Dns.Mx.Remove("sender.example");
        world.Dns.Hosts["sender.example"] = [IPAddress.Parse("127.0.10.3")];
        world.Dns.Hosts["c.example"] = [IPAddress.Parse("127.0.10.3")];
        world.Tables["t:dns"] = new(StringComparer.OrdinalIgnoreCase) { ["sender.example. 0 IN A 127.0.10.3"] = "IGNORE", ["c.example. 0 IN A 127.0.10.3"] = "IGNORE" };
        world.Tables["t:hosts"] = new() { ["127.0.10.3"] = "REJECT found" };
        Assert.Equal(reply, await RcptAsync(world));
        Assert.True(warning is null || world.LogLines.Any(line => line.EndsWith("warning: " + warning, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("reject_rbl_client bl.example", "554 5.7.1 Service unavailable; Client host [127.0.7.1] blocked using bl.example; one / two")]
    [InlineData("reject_rbl_client bl.example=127.0.0.2", "554 5.7.1 Service unavailable; Client host [127.0.7.1] blocked using bl.example; one / two")]
    [InlineData("reject_rbl_client bl.example=127.0.0.[3..4;1]", "250 2.1.5 Ok")]
    [InlineData("reject_rbl_client fail.example, reject", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("reject_rbl_client own.example", "550 5.0.0 Client host 127.0.7.1 says <>no: own.example")]
    [InlineData("permit_dnswl_client bl.example, reject", "250 2.1.5 Ok")]
    [InlineData("permit_dnswl_client bl.example=127.0.0.9, reject", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("permit_dnswl_client fail.example, reject", "450 4.7.1 <127.0.7.1>: Client host rejected: Service unavailable")]
    [InlineData("permit_rhswl_client bl.example, reject", "250 2.1.5 Ok")]
    [InlineData("reject_rhsbl_client bl.example", "554 5.7.1 Service unavailable; Client host [client.good.example] blocked using bl.example")]
    [InlineData("reject_rhsbl_reverse_client bl.example", "554 5.7.1 Service unavailable; Unverified Client host [client.good.example] blocked using bl.example")]
    [InlineData("reject_rhsbl_helo bl.example", "554 5.7.1 Service unavailable; Helo command [c.example] blocked using bl.example")]
    [InlineData("reject_rhsbl_sender bl.example", "554 5.7.1 Service unavailable; Sender address [a@sender.example] blocked using bl.example")]
    [InlineData("reject_rhsbl_recipient bl.example", "554 5.7.1 Service unavailable; Recipient address [alice@dest.example] blocked using bl.example")]
    [InlineData("reject_rbl_client", "250 2.1.5 Ok")]
    [InlineData("reject_rbl bl.example", "554 5.7.1 Service unavailable; Client host [127.0.7.1] blocked using bl.example; one / two")]
    [InlineData("check_sender_mx_access t:hosts", "554 5.7.1 <a@sender.example>: Sender address rejected: mail exchanger")]
    [InlineData("check_sender_ns_access t:hosts", "554 5.7.1 <a@sender.example>: Sender address rejected: name server")]
    [InlineData("check_client_a_access t:hosts", "554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: address")]
    [InlineData("check_reverse_client_hostname_a_access t:hosts", "554 5.7.1 <client.good.example>: Unverified Client host rejected: address")]
    [InlineData("check_helo_mx_access t:hosts", "451 4.3.5 Server configuration error")]
    [InlineData("check_recipient_mx_access t:hosts", "250 2.1.5 Ok")]
    [InlineData("check_ccert_access t:hosts, check_sasl_access t:hosts", "250 2.1.5 Ok")]
    [InlineData("reject_sender_login_mismatch, reject_known_sender_login_mismatch", "250 2.1.5 Ok")]
    [InlineData("permit_tls_clientcerts, permit_tls_all_clientcerts, permit_sasl_authenticated, reject", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    public async Task Restrictions_that_ask_the_dns_decide(string list, string reply)
    {
        var world = World(("smtpd_recipient_restrictions", list), ("rbl_reply_maps", "t:replies"));
        Assert.Equal(reply, await RcptAsync(world));
    }

    [Fact]
    public async Task A_list_that_does_not_answer_is_named_in_the_log()
    {
        var world = World(("smtpd_recipient_restrictions", "reject_rbl_client fail.example"));
        await RcptAsync(world);
        Assert.Contains(
            "warning: 1.7.0.127.fail.example: RBL lookup error: Host or domain name not found. Name service error for name=1.7.0.127.fail.example type=A: Host not found, try again", world.LogLines);
    }

    [Fact]
    public async Task An_allow_list_does_not_make_a_relay()
    {
        var world = World(("smtpd_relay_restrictions", "permit_dnswl_client bl.example, permit_rhswl_client bl.example, reject_unauth_destination"));
        Assert.Equal("554 5.7.1 <x@remote.example>: Relay access denied", await RcptAsync(world, "x@remote.example"));
    }

    [Fact]
    public async Task An_address_of_six_is_asked_for_by_its_nibbles()
    {
        var world = World(("smtpd_recipient_restrictions", "reject_rbl_client bl.example"));
        world.Dns.Hosts["1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"] = [IPAddress.Parse("127.0.0.2")];
        Assert.Equal("554 5.7.1 Service unavailable; Client host [2001:db8::1] blocked using bl.example", await RcptAsync(world, "alice@dest.example", "2001:db8::1"));
        Assert.Equal("554 5.7.1 Service unavailable; Client host [127.0.7.1] blocked using bl.example; one / two", await RcptAsync(world, "alice@dest.example", "::ffff:127.0.7.1"));
    }

    [Theory]
    [InlineData("backup.example", "250 2.1.5 Ok")]
    [InlineData("remote.example", "554 5.7.1 <x@remote.example>: Relay access denied")]
    [InlineData("tempfail.example", "450 4.4.4 <x@tempfail.example>: Recipient address rejected: Unable to look up mail exchanger information: Host not found, try again")]
    [InlineData("elsewhere.example", "554 5.7.1 <x@elsewhere.example>: Relay access denied")]
    public async Task A_backup_mail_exchanger_relays_what_it_is_named_for(string domain, string reply)
    {
        var world = World(("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"), ("permit_mx_backup_networks", "127.0.10.0/24"));
        world.Dns.Mx["backup.example"] = [new MxRecord(20, "mx.dest.example"), new MxRecord(10, "primary.example")];
        world.Dns.Mx["elsewhere.example"] = [new MxRecord(20, "mx.dest.example"), new MxRecord(10, "spammer.bad.example")];
        world.Dns.Hosts["mx1.remote.example"] = world.Dns.Hosts["mx2.remote.example"] = [IPAddress.Parse("127.0.10.1")];
        world.Dns.Hosts["primary.example"] = [IPAddress.Parse("127.0.10.44")];
        Assert.Equal(reply, await RcptAsync(world, "x@" + domain));
    }

    /// <summary>The zone is the recipient's: it must not help that some of what stands there is right. The exchangers, host=address and preference.</summary>
    [Theory]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1", "250 2.1.5 Ok")]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1 10 b.example=127.0.10.2", "250 2.1.5 Ok")]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1 15 c.example=192.0.2.1", "250 2.1.5 Ok")]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1 10 b.example=192.0.2.1", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1 10 a.example=192.0.2.1", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("20 mx.dest.example 10 a.example=127.0.10.1 10 a.example=2001:db8::1", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("10 mx.dest.example", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("10 mx.dest.example 20 a.example=127.0.10.1", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("10 mx.dest.example 10 a.example=127.0.10.1 20 mx.dest.example", "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData("20 mx.dest.example 10 tempfail.example", "450 4.4.4 <x@zone.example>: Recipient address rejected: Unable to look up mail exchanger host tempfail.example: Temporary failure in name resolution")]
    [InlineData("20 mx.dest.example 10 tempfail.example=127.0.10.1", "450 4.4.4 <x@zone.example>: Recipient address rejected: Unable to look up mail exchanger host tempfail.example: Temporary failure in name resolution")]
    [InlineData("20 mx.dest.example 10 many", "554 5.7.1 <x@zone.example>: Relay access denied")]
    public async Task All_primary_exchangers_are_in_the_networks_and_this_host_is_none_of_them(string zone, string reply)
    {
        var world = World(("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"), ("permit_mx_backup_networks", "127.0.10.0/24"));
        var words = zone.Replace("10 many", string.Join(' ', Enumerable.Range(0, 40).Select(i => $"10 h{i}.example=127.0.10.1")), StringComparison.Ordinal).Split(' ');
        world.Dns.Mx["zone.example"] = [];
        for (var i = 0; i < words.Length; i += 2)
        {
            var (host, address) = words[i + 1].Split('=') is [var name, var text] ? (name, text) : (words[i + 1], "");
            world.Dns.Mx["zone.example"].Add(new MxRecord(int.Parse(words[i], System.Globalization.CultureInfo.InvariantCulture), host));
            if (address.Length > 0)
            {
                world.Dns.Hosts.TryAdd(host, []);
                world.Dns.Hosts[host].Add(IPAddress.Parse(address));
            }
        }
        Assert.Equal(reply, await RcptAsync(world, "x@zone.example"));
    }

    [Theory]
    [InlineData(10, 20, "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData(10, 10, "554 5.7.1 <x@zone.example>: Relay access denied")]
    [InlineData(20, 10, "250 2.1.5 Ok")]
    public async Task A_primary_exchanger_is_no_backup(int own, int other, string reply)
    {
        var world = World(("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"));
        world.Dns.Mx["zone.example"] = [new MxRecord(own, "mx.dest.example"), new MxRecord(other, "other.example")];
        Assert.Equal(reply, await RcptAsync(world, "x@zone.example"));
    }

    [Fact]
    public async Task Networks_that_can_t_be_asked_defer()
    {
        var world = World(("smtpd_relay_restrictions", "permit_mx_backup, reject_unauth_destination"), ("permit_mx_backup_networks", "fail:x"));
        world.Dns.Mx["zone.example"] = [new MxRecord(20, "mx.dest.example"), new MxRecord(10, "other.example")];
        Assert.Equal("450 4.4.4 <x@zone.example>: Recipient address rejected: Unable to verify host other.example as mail exchanger", await RcptAsync(world, "x@zone.example"));
    }

    [Fact]
    public async Task Ok_for_somebody_elses_host_is_a_mistake()
    {
        var world = World(("smtpd_recipient_restrictions", "check_helo_mx_access t:hosts"));
        await RcptAsync(world);
        Assert.Contains("warning: restriction check_helo_mx_access returns OK for c.example", world.LogLines);
    }

    [Theory]
    [InlineData("1.2.3.4", "1.2.3.4", true)]
    [InlineData("127.0.0.[1..10;30]", "127.0.0.10", true)]
    [InlineData("127.0.0.[1..10;30]", "127.0.0.30", true)]
    [InlineData("127.0.0.[1..10;30]", "127.0.0.11", false)]
    [InlineData("[126;127].[0..255].0.2", "127.9.0.2", true)]
    [InlineData("127.0.0.2", "::1", false)]
    public void Filters_of_answers_match(string filter, string address, bool matches)
    {
        Assert.Null(Services.Receive.Smtpd.Restrictions.DnsListFilter.Parse(filter, out var parsed));
        Assert.Equal(matches, parsed!.Matches(IPAddress.Parse(address)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1.2.3.256")]
    [InlineData("1.2.3.[4")]
    [InlineData("1.2.3.[4..]")]
    [InlineData("1.2.3.[9..4]")]
    [InlineData("1.2.3.[4;]")]
    [InlineData("1.2.3.x")]
    [InlineData("1.2.3.4 ")]
    public void Filters_that_are_none_are_refused(string filter) => Assert.NotNull(Services.Receive.Smtpd.Restrictions.DnsListFilter.Parse(filter, out _));

    [Fact]
    public async Task What_permits_is_logged_when_asked_for()
    {
        var world = World(
            ("smtpd_log_access_permit_actions", "!permit_mynetworks static:all"),
            ("smtpd_recipient_restrictions", "permit_mynetworks, check_recipient_access t:ok"), ("smtpd_relay_restrictions", "permit_auth_destination, reject"));
        world.Tables["static:all"] = new() { ["permit_auth_destination"] = "x", ["OK"] = "x" };
        world.Tables["t:ok"] = new() { ["alice@dest.example"] = "OK" };
        Assert.Equal("250 2.1.5 Ok", await RcptAsync(world));
        Assert.Contains($"{Head}permit: RCPT from client.good.example[127.0.7.1]: action=permit_auth_destination for Recipient address=alice@dest.example {Tail}", world.LogLines);
        Assert.Contains($"{Head}permit: RCPT from client.good.example[127.0.7.1]: action=OK for Recipient address=alice@dest.example from t:ok{Tail}", world.LogLines);
    }

    [Theory]
    [InlineData("smtp:[127.0.10.3]:25", "smtp:[127.0.10.3]:25")]
    [InlineData("nocolon", "")]
    [InlineData("", "")]
    public async Task A_filter_goes_with_the_message(string filter, string expected)
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:filter"));
        world.Tables["t:filter"] = new() { ["alice@dest.example"] = "FILTER " + filter };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        Assert.Equal(expected, world.Cleanup.Completed.Single().Envelope.ContentFilter);
        Assert.Contains(
            expected.Length > 0 ? $"{Head}filter: RCPT from client.good.example[127.0.7.1]: <alice@dest.example>: Recipient address triggers FILTER {filter}{Tail}"
            : filter.Length > 0 ? "warning: access table t:filter entry \"alice@dest.example\" requires transport:destination"
            : "warning: access table t:filter entry \"alice@dest.example\" has FILTER entry without value", world.LogLines);
    }

    /// <summary>Postfix: numbers without brackets are a host that has this address.</summary>
    [Theory]
    [InlineData("check_helo_mx_access t:hosts", "554 5.7.1 <192.0.2.7>: Helo command rejected: by number")]
    [InlineData("check_helo_a_access t:hosts", "554 5.7.1 <192.0.2.7>: Helo command rejected: by number")]
    [InlineData("check_helo_ns_access t:hosts", "250 2.1.5 Ok")]
    public async Task A_name_of_numbers_is_an_address(string restriction, string expected)
    {
        var world = World(("smtpd_recipient_restrictions", restriction));
        world.Tables["t:hosts"] = new() { ["192.0.2"] = "REJECT by number" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("EHLO 192.0.2.7");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal(expected, await client.CommandAsync("RCPT TO:<alice@dest.example>"));
    }

    /// <summary>Postfix: permit_inet_interfaces goes by the connection; a stranger does not become this host by a proxy's word.</summary>
    [Fact]
    public async Task XCLIENT_makes_nobody_this_host()
    {
        var world = World(("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("smtpd_recipient_restrictions", "permit_inet_interfaces, reject"));
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("220 ", await client.CommandAsync("XCLIENT ADDR=127.0.0.1"), StringComparison.Ordinal);
        await client.CommandAsync("EHLO c.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.StartsWith("554 5.7.1 ", await client.CommandAsync("RCPT TO:<alice@dest.example>"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirected_message_goes_through_no_filter()
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:both"));
        world.Tables["t:both"] = new() { ["alice@dest.example"] = "FILTER scan:", ["bob@dest.example"] = "REDIRECT carol@dest.example" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("RCPT TO:<bob@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        var message = world.Cleanup.Completed.Single();
        Assert.Equal(("", "carol@dest.example"), (message.Envelope.ContentFilter, message.Envelope.Redirect));
    }

    [Theory]
    [InlineData("HOLD")]
    [InlineData("DISCARD")]
    [InlineData("FILTER scan:")]
    [InlineData("REDIRECT carol@dest.example")]
    [InlineData("BCC carol@dest.example")]
    [InlineData("PREPEND X: y")]
    public async Task What_is_said_before_a_message_begins_is_skipped(string action)
    {
        var world = World(("smtpd_client_restrictions", "check_client_access t:c"), ("smtpd_helo_restrictions", "check_helo_access t:c"), ("smtpd_etrn_restrictions", "check_etrn_access t:c"), ("smtpd_delay_reject", "no"));
        world.Tables["t:c"] = new() { ["127.0.7.1"] = action, ["c.example"] = action };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("ETRN c.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        var message = world.Cleanup.Completed.Single();
        Assert.Equal((MessageFlags.None, "", 1), (message.Envelope.Flags, message.Envelope.ContentFilter, message.Recipients.Count));
        Assert.StartsWith("Received:", message.Content, StringComparison.Ordinal);
        var name = action.Split(' ')[0];
        Assert.Equal(2, world.LogLines.Count(line => line == $"warning: access table t:c: with smtpd_delay_reject=no, action {name} is always skipped in Client host or Helo command restrictions"));
        Assert.Contains($"warning: access table t:c: action {name} is unavailable in smtpd_etrn_restrictions", world.LogLines);
    }

    [Theory]
    [InlineData(@"\c. Call $client_address", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied. Call 127.0.7.1")]
    [InlineData(@"Ask $server_name\nor not", "554-5.7.1 <alice@dest.example>: Recipient address rejected: Access denied\n554-5.7.1 Ask mx.dest.example\n554 5.7.1 or not")]
    [InlineData("$localtime", "554-5.7.1 <alice@dest.example>: Recipient address rejected: Access denied\n554 5.7.1 Nov 22 16:00:00")]
    [InlineData("Ask${no_such_name}me", "554-5.7.1 <alice@dest.example>: Recipient address rejected: Access denied\n554 5.7.1 Askme")]
    [InlineData("${client_name", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    public async Task Refusals_have_a_footer(string footer, string reply)
    {
        var world = World(("smtpd_reject_footer", footer), ("smtpd_recipient_restrictions", "reject"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.SendAsync("RCPT TO:<alice@dest.example>\r\n");
        foreach (var line in reply.Split('\n'))
        {
            Assert.Equal(line, await client.ReadLineAsync());
        }
        Assert.Equal("250 2.0.0 Ok", await client.CommandAsync("NOOP"));
        await client.FinishAsync();
        Assert.Contains($"{Head}reject: RCPT from client.good.example[127.0.7.1]: 554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied{Tail}", world.LogLines);
    }

    [Fact]
    public async Task A_footer_may_depend_on_the_reply()
    {
        var world = World(("smtpd_reject_footer", "general"), ("smtpd_reject_footer_maps", "t:footers"), ("smtpd_recipient_restrictions", "reject"));
        world.Tables["t:footers"] = new() { ["554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied"] = @"\c ($client_port)" };
        Assert.Equal("554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied (12345)", await RcptAsync(world));
    }

    [Fact]
    public async Task Commands_are_replaced_by_what_the_table_says()
    {
        var world = World(("smtpd_command_filter", "t:commands"));
        world.Tables["t:commands"] = new() { ["XHELO me"] = "HELO me.example", [""] = "NOOP" };
        var client = world.Connect();
        await client.ReplyAsync();
        Assert.Equal("250 mx.dest.example", await client.CommandAsync("XHELO me"));
        Assert.Equal("250 2.0.0 Ok", await client.CommandAsync(""));
        Assert.Equal("250 2.0.0 Ok", await client.CommandAsync("RSET"));
        await client.FinishAsync();
        Assert.Contains("client.good.example[127.0.7.1]: replacing command \"XHELO me\" with \"HELO me.example\"", world.LogLines);
    }

    /// <summary>Nobody sees what the client said instead: HELO's name, attributes, the log.</summary>
    [Fact]
    public async Task What_a_command_was_replaced_by_is_all_that_is_known_of_it()
    {
        var world = World(("smtpd_command_filter", "t:commands"), ("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger));
        world.Tables["t:commands"] = new()
        {
            ["EHLO"] = "EHLO domain.invalid",
            ["XCLIENT"] = "XCLIENT NAME=real.example",
            ["XFORWARD"] = "XFORWARD NAME=earlier.example",
            ["BDAT"] = "BDAT what ever",
        };
        var client = world.Connect();
        await client.ReplyAsync();
        Assert.StartsWith("220 ", await client.CommandAsync("XCLIENT"), StringComparison.Ordinal);
        await client.CommandAsync("EHLO");
        Assert.Equal("250 2.0.0 Ok", await client.CommandAsync("XFORWARD"));
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        var envelope = world.Cleanup.Messages.Single().Envelope;
        Assert.Equal(("domain.invalid", "real.example", "earlier.example"), (envelope.Client!.Helo, envelope.Client.Name, envelope.Attributes.Value(Mail.Envelopes.MessageAttributes.LogClientName)));
        await client.CommandAsync("BDAT");
        Assert.Contains(world.LogLines, line => line.EndsWith("BDAT what ever", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("550 5.1.1 no", "see x", "550-5.1.1 no\r\n550 5.1.1 see x")]
    [InlineData("550 no", @"\c, see x", "550 no, see x")]
    [InlineData("550-a\r\n550 b", "see x", "550-a\r\n550-b\r\n550 see x")]
    [InlineData("450-4.7.1 a\r\n450-4.7.1 b\r\n450 4.7.1 c", @"one\ntwo", "450-4.7.1 a\r\n450-4.7.1 b\r\n450-4.7.1 c\r\n450-4.7.1 one\r\n450 4.7.1 two")]
    [InlineData("550-a\r\n550 b", @"\c, see x", "550-a\r\n550 b, see x")]
    public void A_footer_stands_behind_the_last_line(string reply, string footer, string whole) => Assert.Equal(whole, Services.Receive.Smtpd.RejectFooter.Join(reply, footer));

    internal static SmtpdWorld World(params (string, string)[] main)
    {
        var world = new SmtpdWorld(main);
        world.Dns.Hosts["1.7.0.127.bl.example"] = [IPAddress.Parse("127.0.0.2")];
        world.Dns.Texts["1.7.0.127.bl.example"] = ["one", "two"];
        world.Dns.Hosts["1.7.0.127.own.example"] = [IPAddress.Parse("127.0.0.2")];
        world.Dns.Failing.Add("1.7.0.127.fail.example");
        foreach (var name in new[] { "client.good.example", "c.example", "sender.example", "dest.example" })
        {
            world.Dns.Hosts[name + ".bl.example"] = [IPAddress.Parse("127.0.0.2")];
        }
        world.Dns.Hosts["mx.sender.example"] = [IPAddress.Parse("127.0.10.5")];
        world.Dns.Hosts["ns.example"] = [IPAddress.Parse("127.0.10.78")];
        world.Dns.Hosts["c.example"] = [IPAddress.Parse("127.0.10.79")];
        world.Dns.NameServers["example"] = ["ns.example"];
        world.Tables["t:replies"] = new() { ["own.example"] = "550 5.1.1 $rbl_class $rbl_what says <>no: $rbl_domain" };
        world.Tables["t:hosts"] = new()
        {
            ["mx.sender.example"] = "REJECT mail exchanger",
            ["127.0.10.78"] = "REJECT name server",
            ["127.0.7"] = "REJECT address",
            ["c.example"] = "OK",
        };
        return world;
    }

    internal static async Task<string?> RcptAsync(SmtpdWorld world, string recipient = "alice@dest.example", string from = SmtpdWorld.Stranger)
    {
        var client = await world.Connect(from).HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        var reply = await client.CommandAsync($"RCPT TO:<{recipient}>");
        await client.FinishAsync();
        return reply;
    }
}
