using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class RestrictionTests
{
    private const string Relay = "smtpd_relay_restrictions";

    [Theory]
    [InlineData("reject", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("defer", "450 4.3.2 <alice@dest.example>: Recipient address rejected: Try again later")]
    [InlineData("permit, reject", "250 2.1.5 Ok")]
    [InlineData("warn_if_reject reject, permit", "250 2.1.5 Ok")]
    [InlineData("defer_if_permit, permit", "450 4.7.0 <alice@dest.example>: Recipient address rejected: defer_if_permit requested")]
    [InlineData("defer_if_reject, reject", "450 4.7.0 <alice@dest.example>: Recipient address rejected: defer_if_reject requested")]
    [InlineData("defer_if_permit, reject", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("no_such_thing", "451 4.3.5 Server configuration error")]
    [InlineData("warn_if_reject no_such_thing", "451 4.3.5 Server configuration error")]
    [InlineData("reject_rbl_client bl.example", "250 2.1.5 Ok")]
    [InlineData("reject_rbl_client bl=1.2.3", "451 4.3.5 Server configuration error")]
    [InlineData("check_policy_service nowhere", "451 4.3.5 Server configuration error")]
    [InlineData("check_client_access nothing", "451 4.3.5 Server configuration error")]
    [InlineData("reject_unknown_client_hostname", "250 2.1.5 Ok")]
    [InlineData("reject_plaintext_session", "450 4.7.1 Session encryption is required")]
    [InlineData("sleep 0, strict", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("check_client_access t:c", "554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: go")]
    [InlineData("check_client_access { t:c }", "554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: go")]
    [InlineData("check_client_access { t:c, { search_order = cert_fingerprint } }", "554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: go")]
    [InlineData("check_client_access { t:none, default_action = DUNNO }", "451 4.3.5 Server configuration error")]
    [InlineData("t:r", "450 4.7.1 <alice@dest.example>: Recipient address rejected: Service unavailable")]
    [InlineData("check_recipient_access t:none", "451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration error")]
    [InlineData("permit_naked_ip_address", "451 4.3.5 Server configuration error")]
    [InlineData("check_relay_domains", "451 4.3.5 Server configuration error")]
    [InlineData("reject_maps_rbl", "451 4.3.5 Server configuration error")]
    [InlineData("warn_if_reject reject_unlisted_recipient", "250 2.1.5 Ok")]
    [InlineData("check_helo_access t:h", "521 5.7.1 <c.example>: Helo command rejected: bye")]
    [InlineData("check_sender_access t:s", "554 5.1.8 <a@sender.example>: Sender address rejected: x")]
    public async Task Recipient_restrictions_decide(string list, string reply)
    {
        var world = World(("smtpd_recipient_restrictions", list));
        Assert.Equal(reply, await RcptAsync(world));
    }

    [Fact]
    public async Task An_unknown_restriction_is_named_in_the_log()
    {
        var world = World(("smtpd_recipient_restrictions", "no_such_thing"));
        await RcptAsync(world);
        Assert.Contains("warning: unknown smtpd restriction: \"no_such_thing\"", world.LogLines);
    }

    [Theory]
    [InlineData("permit_naked_ip_address", "specify \"permit_mynetworks\" or \"permit_sasl_authenticated\"")]
    [InlineData("check_relay_domains", "specify \"permit_mynetworks, reject_unauth_destination\"")]
    [InlineData("reject_maps_rbl", "specify \"reject_rbl_client domain-name\"")]
    public async Task A_restriction_that_is_gone_is_named_with_what_stands_for_it(string name, string instead)
    {
        var world = World(("smtpd_recipient_restrictions", name));
        await RcptAsync(world);
        Assert.Contains($"warning: support for restriction \"{name}\" has been removed in Postfix 3.9; instead, {instead}", world.LogLines);
    }

    /// <summary>A class has no table's name of its own: that of the list that calls it counts, also where an entry of a table calls it.</summary>
    [Theory]
    [InlineData("smtpd_client_restrictions", "bare", "<client.good.example[127.0.7.1]>: Client host rejected: by name")]
    [InlineData("smtpd_helo_restrictions", "Bare", "<c.example>: Helo command rejected: by name")]
    [InlineData("smtpd_sender_restrictions", "outer", "<a@sender.example>: Sender address rejected: by name")]
    [InlineData("smtpd_relay_restrictions", "bare, reject", "<alice@dest.example>: Recipient address rejected: by name")]
    [InlineData("smtpd_recipient_restrictions", "t:calls", "<alice@dest.example>: Recipient address rejected: by name")]
    [InlineData("smtpd_sender_restrictions", "check_recipient_access t:calls", "<a@sender.example>: Sender address rejected: by name")]
    public async Task A_table_alone_in_a_class_is_the_calling_list_s(string parameter, string list, string reply)
    {
        var world = World(("smtpd_restriction_classes", "bare, outer"), ("bare", "t:any"), ("outer", "bare"), (parameter, list));
        world.Tables["t:any"] = new() { ["good.example"] = "REJECT by name", ["c.example"] = "REJECT by name", ["sender.example"] = "REJECT by name", ["dest.example"] = "REJECT by name" };
        world.Tables["t:calls"] = new() { ["dest.example"] = "bare" };
        Assert.Equal("554 5.7.1 " + reply, await RcptAsync(world));
    }

    [Fact]
    public async Task The_old_name_for_unknown_senders_still_refuses_them() => Assert.Equal(
        "450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found", await RcptAsync(World(("smtpd_recipient_restrictions", "reject_unknown_address")), sender: "a@nowhere.example"));

    /// <summary>Its owner writes the name: nobody is let in by it, and who has none is known by its address.</summary>
    [Theory]
    [InlineData("client.good.example", "REJECT name", "554 5.7.1 <client.good.example>: Unverified Client host rejected: name")]
    [InlineData("127.0.7", "REJECT net", "554 5.7.1 <client.good.example>: Unverified Client host rejected: net")]
    [InlineData("127.0.7.1", "DUNNO", "554 5.7.1 <alice@dest.example>: Recipient address rejected: Access denied")]
    [InlineData("client.good.example", "OK", "451 4.3.5 Server configuration error")]
    [InlineData("127.0.7.1", "permit", "451 4.3.5 Server configuration error")]
    [InlineData("client.good.example", "DISCARD", "250 2.1.5 Ok")]
    public async Task An_unverified_name_lets_nobody_in(string key, string value, string reply)
    {
        var world = World((Relay, "check_reverse_client_hostname_access t:names, reject"));
        world.Tables["t:names"] = new() { [key] = value };
        Assert.Equal(reply, await RcptAsync(world));
        Assert.Equal(reply[0] == '4', world.LogLines.Contains("warning: restriction check_reverse_client_hostname_access returns OK for client.good.example"));
    }

    /// <summary>Postfix: each time that the list comes so far, whoever the list is from.</summary>
    [Theory]
    [InlineData("reject, permit", "permit' after `reject")]
    [InlineData("permit, reject", "reject' after `permit")]
    [InlineData("defer, reject, x", "reject' after `defer")]
    [InlineData("warn_if_reject, reject, permit", null)]
    [InlineData("permit_sasl_authenticated, reject", null)]
    public async Task What_can_not_be_reached_is_told(string list, string? told)
    {
        foreach (var table in (bool[])[false, true])
        {
            var world = World(("smtpd_client_restrictions", table ? "check_client_access t:any" : list));
            world.Tables["t:any"] = new() { [SmtpdWorld.Stranger] = list };
            var client = await world.Connect().HelloAsync();
            await client.CommandAsync("MAIL FROM:<a@sender.example>");
            await client.CommandAsync("RCPT TO:<alice@dest.example>");
            await client.CommandAsync("RCPT TO:<alice@dest.example>");
            Assert.Equal(told is null ? 0 : 2, world.LogLines.Count(l => l == $"warning: restriction `{told}' is ignored"));
            Assert.Equal(told is null ? 0 : 2, world.LogLines.Count(l => l.EndsWith("' is ignored", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Before_MAIL_no_sender_is_asked_about()
    {
        var client = await World(("smtpd_sender_restrictions", "reject"), ("smtpd_reject_unlisted_sender", "yes")).Connect().HelloAsync();
        Assert.Equal("252 2.0.0 alice@dest.example", await client.CommandAsync("VRFY alice@dest.example"));
        await client.CommandAsync("MAIL FROM:<>");
        Assert.Equal("554 5.7.1 <>: Sender address rejected: Access denied", await client.CommandAsync("VRFY alice@dest.example"));
    }

    [Theory]
    [InlineData('x')]
    [InlineData('é')]
    [InlineData('€')]
    public async Task A_refusal_is_as_long_as_a_reply_may_be(char letter)
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:long"));
        world.Tables["t:long"] = new() { ["alice@dest.example"] = "REJECT " + new string(letter, 1000) };
        var reply = await RcptAsync(world);
        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(reply!), 508, 510);
        Assert.EndsWith(new string(letter, 100), reply, StringComparison.Ordinal);
        Assert.Contains(world.LogLines, line => line.Contains(reply + "; from=", StringComparison.Ordinal));
    }

    /// <summary>Postfix: smtpd asks tables for the folded address, patterns too, which may look at the case; a HELO name as it came.</summary>
    [Theory]
    [InlineData("smtpd_recipient_restrictions", "check_recipient_access t:case", "550 5.7.1 <ALICE@dest.example>: Recipient address rejected: low recipient")]
    [InlineData("smtpd_sender_restrictions", "check_sender_access t:case", "550 5.7.1 <Joe@Sender.example>: Sender address rejected: low sender")]
    [InlineData("smtpd_helo_restrictions", "check_helo_access t:case", "550 5.7.1 <C.example>: Helo command rejected: as it came")]
    public async Task Tables_are_asked_for_the_folded_address(string parameter, string list, string reply)
    {
        var world = World((parameter, list));
        world.Tables["t:case"] = new(StringComparer.Ordinal)
        {
            ["alice@dest.example"] = "550 low recipient",
            ["joe@sender.example"] = "550 low sender",
            ["C.example"] = "550 as it came",
        };
        var client = await world.Connect().HelloAsync("C.example");
        await client.CommandAsync("MAIL FROM:<Joe@Sender.example>");
        Assert.Equal(reply, await client.CommandAsync("RCPT TO:<ALICE@dest.example>"));
    }

    [Fact]
    public async Task Where_a_table_alone_stands_for_nothing_that_is_said()
    {
        var world = World(("smtpd_restriction_classes", "bare"), ("bare", "t:any"), ("smtpd_data_restrictions", "bare"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        Assert.Equal("451 4.3.5 Server configuration error", await client.CommandAsync("DATA"));
        Assert.Contains("warning: specify one of (check_client_access, check_reverse_client_hostname_access, check_helo_access, check_sender_access, check_recipient_access, check_etrn_access)"
            + " before Data command restriction \"t:any\"", world.LogLines);
    }

    [Theory]
    [InlineData("defer_if_reject", "reject", "450 4.7.0 <alice@dest.example>: Recipient address rejected: defer_if_reject requested")]
    [InlineData("defer_if_permit", "permit", "450 4.7.0 <alice@dest.example>: Recipient address rejected: defer_if_permit requested")]
    [InlineData("warn_if_reject defer_if_reject", "reject", "450 4.7.0 <alice@dest.example>: Recipient address rejected: defer_if_reject requested")]
    public async Task What_one_list_of_a_recipient_leaves_open_holds_in_the_other(string relay, string recipient, string reply)
    {
        Assert.Equal(reply, await RcptAsync(World((Relay, relay + ", permit_auth_destination, reject"), ("smtpd_recipient_restrictions", recipient))));
        Assert.Equal(reply, await RcptAsync(World((Relay, recipient), ("smtpd_recipient_restrictions", relay + ", permit_auth_destination, reject"), ("smtpd_relay_before_recipient_restrictions", "no"))));
    }

    [Theory]
    [InlineData("smtpd_recipient_restrictions", "warn_if_reject reject_unlisted_recipient", "550 5.1.1 <alice@dest.example>: Recipient address rejected: User unknown in local recipient table")]
    [InlineData("smtpd_sender_restrictions", "warn_if_reject reject_unlisted_recipient", "550 5.1.1 <alice@dest.example>: Recipient address rejected: User unknown in local recipient table")]
    [InlineData("smtpd_sender_restrictions", "warn_if_reject reject_unlisted_sender", "550 5.1.0 <nobody@dest.example>: Sender address rejected: User unknown in local recipient table", "nobody@dest.example")]
    public async Task A_warning_about_an_unknown_address_does_not_let_it_in(string parameter, string list, string reply, string sender = "a@sender.example")
    {
        var world = World(("local_recipient_maps", "t:empty"), ("smtpd_reject_unlisted_sender", "yes"), (parameter, list));
        Assert.Equal(reply, await RcptAsync(world, sender: sender));
    }

    /// <summary>Each way to say so says it once: what sender restrictions looked at is not looked at again.</summary>
    [Fact]
    public async Task An_unknown_recipient_is_looked_for_once()
    {
        var world = World(("local_recipient_maps", "t:empty"), ("smtpd_sender_restrictions", "reject_unlisted_recipient"));
        await RcptAsync(world);
        Assert.Single(world.LogLines, line => line.Contains("User unknown", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("permit_inet_interfaces", false)]
    [InlineData("permit_mynetworks", false)]
    [InlineData("check_address_map t:clients", true)]
    [InlineData("t:none-here, T:other, permit_sasl_authenticated", false)]
    [InlineData("reject, permit_tls_clientcerts, t:clients", true)]
    public async Task Whose_headers_are_completed_is_a_list_of_its_own(string list, bool local)
    {
        var world = World(("local_header_rewrite_clients", list));
        world.Tables["t:clients"] = new() { [SmtpdWorld.Stranger] = "x" };
        world.Tables["t:none-here"] = world.Tables["T:other"] = [];
        Assert.Equal("250 2.1.5 Ok", await RcptAsync(world));
        Assert.Equal(local, (world.Cleanup.Messages.Single().Envelope.Flags & MessageFlags.RewriteLocal) != 0);
        Assert.Equal(list.StartsWith("reject", StringComparison.Ordinal), world.LogLines.Contains("warning: parameter local_header_rewrite_clients: invalid request: reject"));
    }

    [Theory]
    [InlineData("check_address_map t:missing", "451 4.3.0 Temporary lookup error")]
    [InlineData("check_address_map", "451 4.3.5 Server configuration error")]
    public async Task A_message_whose_headers_nobody_can_judge_comes_later(string list, string reply)
    {
        var world = World(("local_header_rewrite_clients", list));
        var client = await world.Connect().HelloAsync();
        Assert.Equal(reply, await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        Assert.Equal("503 5.5.1 Error: need MAIL command", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.Contains($"NOQUEUE: reject: MAIL from client.good.example[127.0.7.1]: {reply}; from=<a@sender.example> proto=ESMTP helo=<c.example>", world.LogLines);
    }

    [Fact]
    public async Task Without_relay_protection_nothing_is_accepted()
    {
        var world = World((Relay, "permit_mynetworks"), ("smtpd_recipient_restrictions", ""));
        var client = world.Connect();
        Assert.Equal("421 4.3.5 mx.dest.example Server configuration error", await client.ReplyAsync());
        Assert.Equal("", await client.FinishAsync());
        Assert.StartsWith("fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify", world.LogLines.First(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_restrictions_refuse_at_once_without_delay()
    {
        var world = World(("smtpd_client_restrictions", "reject"), ("smtpd_delay_reject", "no"));
        var client = world.Connect();
        Assert.Equal("554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: Access denied", await client.ReplyAsync());
        Assert.Equal("503 5.7.0 Error: access denied for client.good.example[127.0.7.1]", await client.CommandAsync("EHLO x"));
        Assert.Equal("221 2.0.0 Bye", await client.CommandAsync("QUIT"));
        await client.FinishAsync();
    }

    [Theory]
    [InlineData("error", "5.1.6 moved away", ResolveFlags.Local, "550 5.1.6 <alice@dest.example>: Recipient address rejected: moved away")]
    [InlineData("error", "User unknown in virtual alias table", ResolveFlags.VirtualAlias, "550 5.1.1 <alice@dest.example>: Recipient address rejected: User unknown in virtual alias table")]
    [InlineData("retry", "4.3.2 later", ResolveFlags.Default, "450 4.3.2 <alice@dest.example>: Recipient address rejected: later")]
    [InlineData("virtual", "x", ResolveFlags.VirtualMailbox, "550 5.1.1 <alice@dest.example>: Recipient address rejected: User unknown in virtual mailbox table")]
    [InlineData("relay", "x", ResolveFlags.Relay, "550 5.1.1 <alice@dest.example>: Recipient address rejected: User unknown in relay recipient table")]
    [InlineData("smtp", "x", ResolveFlags.Error, "501 5.1.3 Bad recipient address syntax")]
    [InlineData("smtp", "x", ResolveFlags.Fail, "451 4.3.0 <alice@dest.example>: Temporary lookup failure")]
    [InlineData("relay", "x", ResolveFlags.Relay | ResolveFlags.Routed, "454 4.7.1 <alice@dest.example>: Relay access denied")]
    public async Task Address_classes_have_their_tables(string transport, string nexthop, ResolveFlags flags, string reply)
    {
        var world = World(("virtual_mailbox_maps", "t:empty"), ("relay_recipient_maps", "t:empty"), (Relay, "permit_mynetworks, defer_unauth_destination"));
        world.Rewrite.Answers["alice@dest.example"] = new Resolution(transport, nexthop, "", flags);
        Assert.Equal(reply, await RcptAsync(world, transport == "retry" ? "127.0.0.9" : SmtpdWorld.Stranger));
    }

    [Fact]
    public async Task A_broken_recipient_table_puts_off()
    {
        var world = World();
        world.Tables.Broken.Add("proxy:unix:passwd.byname");
        Assert.Equal("451 4.3.0 <alice@dest.example>: Temporary lookup failure", await RcptAsync(world));
    }

    [Fact]
    public async Task Soft_bounce_makes_refusals_temporary()
    {
        var world = World(("soft_bounce", "yes"), ("smtpd_recipient_restrictions", "reject"));
        Assert.Equal("454 4.7.1 <alice@dest.example>: Recipient address rejected: Access denied", await RcptAsync(world));
        // Also what no restriction refuses.
        var client = await world.Connect().HelloAsync();
        Assert.Equal("400 4.5.2 Error: command not recognized", await client.CommandAsync("BOGUS"));
        Assert.StartsWith("403 4.5.1 Error: need MAIL", await client.CommandAsync("RCPT TO:<a@b.example>"), StringComparison.Ordinal);
    }

    /// <summary>Who wrote an IPv4 address as an IPv6 one is known by the same address to all that asks.</summary>
    [Fact]
    public async Task A_client_that_XCLIENT_names_by_a_mapped_address_is_an_IPv4_client()
    {
        var world = World(("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("smtpd_client_restrictions", "check_client_access t:clients"));
        world.Tables["t:clients"] = new() { ["198.51.100"] = "REJECT by network" };
        var client = await world.Connect().HelloAsync();
        Assert.StartsWith("220 ", await client.CommandAsync("XCLIENT ADDR=IPV6:::ffff:198.51.100.7"), StringComparison.Ordinal);
        await client.CommandAsync("EHLO c.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("554 5.7.1 <client.good.example[198.51.100.7]>: Client host rejected: by network", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
    }

    [Fact]
    public async Task Held_and_redirected_mail_carries_it_to_cleanup()
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:effects"));
        world.Tables["t:effects"] = new() { ["alice@dest.example"] = "HOLD", ["bob@dest.example"] = "REDIRECT carol@dest.example" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("RCPT TO:<bob@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        var message = world.Cleanup.Completed.Single();
        Assert.True((message.Envelope.Flags & MessageFlags.Hold) != 0);
        Assert.Equal("carol@dest.example", message.Envelope.Redirect);
        Assert.Equal(["alice@dest.example", "bob@dest.example"], message.Recipients.Select(recipient => recipient.Address));
        Assert.Contains("NOQUEUE: hold: RCPT from client.good.example[127.0.7.1]: <alice@dest.example>: Recipient address triggers HOLD action; from=<a@sender.example> to=<alice@dest.example> proto=ESMTP helo=<c.example>", world.LogLines);
    }

    [Fact]
    public async Task What_is_to_be_thrown_away_is_told_before_the_content()
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:discard"));
        world.Tables["t:discard"] = new() { ["alice@dest.example"] = "DISCARD" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("BDAT 0 LAST");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        Assert.True((world.Cleanup.Messages[1].Envelope.Flags & MessageFlags.Discard) != 0);
        await client.SendAsync("x\r\n.\r\n");
        Assert.Equal("250 2.0.0 Ok: queued as Q2", await client.ReplyAsync());
        await client.FinishAsync();
    }

    /// <summary>Not by later lists, not for later recipients, not at its end, and not whether they exist.</summary>
    [Theory]
    [InlineData("smtpd_sender_restrictions", "check_sender_access t:discard, reject")]
    [InlineData("smtpd_relay_restrictions", "discards, reject")]
    public async Task Of_mail_to_be_thrown_away_nothing_more_is_asked(string parameter, string list)
    {
        var world = World(
            ("smtpd_restriction_classes", "discards"), ("discards", "check_sender_access t:discard, reject"), ("smtpd_recipient_restrictions", "reject"), ("local_recipient_maps", "t:empty"),
            ("smtpd_data_restrictions", "reject"), ("smtpd_end_of_data_restrictions", "reject"), ("local_header_rewrite_clients", "t:clients"), (parameter, list));
        world.Tables["t:discard"] = new() { ["a@sender.example"] = "DISCARD" };
        world.Tables["t:clients"] = new() { [SmtpdWorld.Stranger] = "x" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<nobody@remote.example>"));
        Assert.StartsWith("354 ", await client.CommandAsync("DATA"), StringComparison.Ordinal);
        await client.SendAsync("x\r\n.\r\n");
        Assert.StartsWith("250 ", await client.ReplyAsync(), StringComparison.Ordinal);
        Assert.Equal(MessageFlags.Discard | MessageFlags.RewriteLocal, world.Cleanup.Completed.Single().Envelope.Flags & (MessageFlags.Discard | MessageFlags.RewriteLocal));
        // The next message is asked again.
        await client.CommandAsync("MAIL FROM:<b@sender.example>");
        Assert.StartsWith("5", await client.CommandAsync("RCPT TO:<alice@dest.example>"), StringComparison.Ordinal);
        await client.FinishAsync();
    }

    [Theory]
    [InlineData("X-Seen: yes", true)]
    [InlineData("X-Seen : yes", true)]
    [InlineData("foo bar: x", false)]
    [InlineData(": x", false)]
    [InlineData("x", false)]
    [InlineData("é: x", false)]
    [InlineData("", false)]
    public async Task Only_a_header_is_put_before_a_message(string text, bool taken)
    {
        var world = World(("smtpd_recipient_restrictions", "check_recipient_access t:prepend"));
        world.Tables["t:prepend"] = new() { ["alice@dest.example"] = "PREPEND " + text };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        Assert.StartsWith(taken ? text + "\nReceived: " : "Received: ", world.Cleanup.Completed.Single().Content, StringComparison.Ordinal);
        Assert.Equal(!taken, world.LogLines.Contains("warning: access table t:prepend entry \"alice@dest.example\" requires header: text"));
    }

    [Fact]
    public async Task A_message_that_is_thrown_away_has_no_further_questions_to_answer()
    {
        var world = World(("smtpd_relay_restrictions", "reject_unauth_destination"), ("smtpd_recipient_restrictions", "check_recipient_access t:discard, reject"));
        world.Tables["t:discard"] = new() { ["alice@dest.example"] = "DISCARD" };
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<x@elsewhere.example>"));
        await client.CommandAsync("RSET");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("554 5.7.1 <x@elsewhere.example>: Relay access denied", await client.CommandAsync("RCPT TO:<x@elsewhere.example>"));
        await client.FinishAsync();
    }

    [Fact]
    public async Task What_one_command_left_open_does_not_concern_the_next()
    {
        var world = World(("smtpd_delay_reject", "no"), ("smtpd_sender_restrictions", "defer_if_reject, defer"));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("450 4.3.2 <a@sender.example>: Sender address rejected: Try again later", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        Assert.Equal("552 5.3.4 Message size exceeds fixed limit", await client.CommandAsync("MAIL FROM:<a@sender.example> SIZE=99999999"));
        await client.FinishAsync();
    }

    [Fact]
    public async Task Classes_that_name_each_other_end()
    {
        var world = World(("smtpd_restriction_classes", "one, two"), ("one", "two"), ("two", "one"), ("smtpd_recipient_restrictions", "one"));
        Assert.Equal("451 4.3.5 Server configuration error", await RcptAsync(world));
    }

    private static SmtpdWorld World(params (string, string)[] main)
    {
        var world = new SmtpdWorld([("smtpd_restriction_classes", "strict"), ("strict", "reject"), .. main]);
        world.Tables["t:c"] = new() { [".good.example"] = "x", ["good.example"] = "REJECT go" };
        world.Tables["t:r"] = new() { ["dest.example"] = "DEFER_IF_PERMIT" };
        world.Tables["t:h"] = new() { ["c.example"] = "521 bye" };
        world.Tables["t:s"] = new() { ["a@"] = "REJECT 5.1.2 x" };
        world.Tables["t:empty"] = [];
        return world;
    }

    private static async Task<string?> RcptAsync(SmtpdWorld world, string from = SmtpdWorld.Stranger, string sender = "a@sender.example")
    {
        var client = await world.Connect(from).HelloAsync();
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync($"MAIL FROM:<{sender}>"));
        var reply = await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.FinishAsync();
        return reply;
    }
}
