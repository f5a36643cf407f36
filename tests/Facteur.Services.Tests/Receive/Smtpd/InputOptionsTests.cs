using Facteur.Config;
using Facteur.Mail.Envelopes;
using Facteur.Services.Server;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>content_filter and receive_override_options, and what a message keeps of its client.</summary>
public sealed class InputOptionsTests
{
    private const string Session = "EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<nobody@dest.example>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n";

    [Fact]
    public async Task New_mail_carries_the_filter_and_what_is_not_done_to_it()
    {
        var world = new SmtpdWorld(
            ("content_filter", "scan:[127.0.0.1]:10025"), ("receive_override_options", "no_address_mappings, no_header_body_checks no_milters"), ("smtpd_forbid_unauth_pipelining", "no"),
            ("local_recipient_maps", ""));
        await world.TalkAsync(Session);
        var envelope = world.Cleanup.Completed.Single().Envelope;
        Assert.Equal("scan:[127.0.0.1]:10025", envelope.Attributes.Value(MessageAttributes.Filter));
        Assert.Equal(MessageFlags.NoAddressMappings | MessageFlags.NoHeaderBodyChecks | MessageFlags.NoMilters, envelope.Flags & ~MessageFlags.RewriteLocal);
    }

    [Theory]
    [InlineData("", "alice@dest.example")]
    [InlineData("no_unknown_recipient_checks", "nobody@dest.example alice@dest.example")]
    public async Task Who_brings_mail_back_need_not_know_all_recipients(string options, string accepted)
    {
        var world = new SmtpdWorld(("receive_override_options", options), ("smtpd_forbid_unauth_pipelining", "no"), ("local_recipient_maps", "texthash:/known"));
        world.Tables["texthash:/known"] = new(StringComparer.OrdinalIgnoreCase) { ["alice@dest.example"] = "x" };
        await world.TalkAsync(Session);
        Assert.Equal(accepted, string.Join(' ', world.Cleanup.Completed.Single().Recipients.Select(r => r.Address)));
    }

    /// <summary>Nor its senders, however the question is put.</summary>
    [Theory]
    [InlineData("smtpd_recipient_restrictions", "reject_unlisted_recipient")]
    [InlineData("smtpd_recipient_restrictions", "reject_unlisted_sender")]
    [InlineData("smtpd_reject_unlisted_sender", "yes")]
    public async Task Who_brings_mail_back_is_asked_for_no_address(string parameter, string value)
    {
        var world = new SmtpdWorld(("receive_override_options", "no_unknown_recipient_checks"), ("smtpd_forbid_unauth_pipelining", "no"), ("local_recipient_maps", "texthash:/known"), (parameter, value));
        world.Tables["texthash:/known"] = new() { ["alice@dest.example"] = "x" };
        await world.TalkAsync(Session.Replace("a@sender.example", "nobody@dest.example", StringComparison.Ordinal));
        Assert.Equal(2, world.Cleanup.Completed.Single().Recipients.Count);
    }

    [Fact]
    public async Task A_message_keeps_what_XFORWARD_said_and_its_own_client()
    {
        var world = new SmtpdWorld(("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger), ("smtpd_forbid_unauth_pipelining", "no"), ("local_recipient_maps", ""));
        await world.TalkAsync("XFORWARD NAME=orig.example ADDR=IPv6:2001:db8::1 PORT=[UNAVAILABLE]\r\nXFORWARD PROTO=SMTP HELO=orig+20x IDENT=abc SOURCE=REMOTE\r\n" + Session);
        // The greeting that follows is a new client's.
        Assert.Empty(world.Cleanup.Completed.Single().Envelope.Attributes.Pairs);
        await world.TalkAsync("EHLO c.example\r\nXFORWARD NAME=orig.example ADDR=IPv6:2001:db8::1 PORT=[UNAVAILABLE]\r\nXFORWARD PROTO=SMTP HELO=orig+20x IDENT=abc SOURCE=REMOTE\r\n" + Session["EHLO c.example\r\n".Length..]);
        var envelope = world.Cleanup.Completed.Last().Envelope;
        Assert.Equal(SmtpdWorld.Stranger, envelope.Client.Address);
        Assert.Equal(
            ("orig.example", "2001:db8::1", 0, "orig?x", "SMTP", "abc"),
            (envelope.OriginalClient.Name, envelope.OriginalClient.Address, envelope.OriginalClient.Port, envelope.OriginalClient.Helo, envelope.OriginalClient.Protocol,
                envelope.Attributes.Value(MessageAttributes.LogIdent)));
    }

    /// <summary>Who says anything of another client has nothing filled in from himself; SOURCE and IDENT say nothing of it.</summary>
    [Theory]
    [InlineData("HELO=two", "unknown", "unknown", "two", "unknown")]
    [InlineData("NAME=one.example", "one.example", "unknown", "", "unknown")]
    [InlineData("SOURCE=REMOTE IDENT=x", "client.good.example", SmtpdWorld.Stranger, "c.example", "ESMTP")]
    public async Task What_XFORWARD_leaves_out_is_unknown(string said, string name, string address, string helo, string protocol)
    {
        var world = new SmtpdWorld(("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger), ("smtpd_forbid_unauth_pipelining", "no"), ("local_recipient_maps", ""));
        await world.TalkAsync($"EHLO c.example\r\nXFORWARD {said}\r\n" + Session["EHLO c.example\r\n".Length..]);
        var client = world.Cleanup.Completed.Single().Envelope.OriginalClient;
        Assert.Equal((name, address, helo, protocol), (client.Name, client.Address, client.Helo, client.Protocol));
    }

    [Theory]
    [InlineData("receive_override_options", "no_such_thing", "receive_override_options: unknown option \"no_such_thing\": expected no_unknown_recipient_checks, no_address_mappings, no_header_body_checks or no_milters")]
    [InlineData("content_filter", ":[127.0.0.1]", "content_filter = :[127.0.0.1]: expected transport:destination")]
    public void Bad_values_are_said(string name, string value, string error) =>
        Assert.Equal(error, Assert.Throws<ConfigException>(() => new InputOptions(new TestConfig([(name, value)]))).Message);
}
