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
    [InlineData("t:r", "450 4.7.1 <alice@dest.example>: Recipient address rejected: Service unavailable")]
    [InlineData("check_recipient_access t:none", "451 4.3.5 <alice@dest.example>: Recipient address rejected: Server configuration error")]
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

    private static async Task<string?> RcptAsync(SmtpdWorld world, string from = SmtpdWorld.Stranger)
    {
        var client = await world.Connect(from).HelloAsync();
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        var reply = await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.FinishAsync();
        return reply;
    }
}
