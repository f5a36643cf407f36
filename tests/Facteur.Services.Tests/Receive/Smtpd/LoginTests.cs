using Facteur.Mail.Addresses;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>Who logged in (as XCLIENT tells it), and which senders are whose.</summary>
public sealed class LoginTests
{
    private const string NotOwned = "553 5.7.1 <{0}>: Sender address rejected: not owned by user bob";
    private const string NotLoggedIn = "553 5.7.1 <{0}>: Sender address rejected: not logged in";
    private const string Ok = "250 2.1.5 Ok";

    [Theory]
    [InlineData("reject_sender_login_mismatch", "bob", "bob@dest.example", Ok)]
    [InlineData("reject_sender_login_mismatch", "BOB", "bob@dest.example", Ok)]
    [InlineData("reject_sender_login_mismatch", "bob", "carol@dest.example", NotOwned)]
    [InlineData("reject_sender_login_mismatch", "bob", "free@dest.example", NotOwned)]
    [InlineData("reject_sender_login_mismatch", "", "bob@dest.example", NotLoggedIn)]
    [InlineData("reject_sender_login_mismatch", "", "free@dest.example", Ok)]
    [InlineData("reject_sender_login_mismatch", "", "", Ok)]
    [InlineData("reject_authenticated_sender_login_mismatch", "bob", "carol@dest.example", NotOwned)]
    [InlineData("reject_authenticated_sender_login_mismatch", "", "carol@dest.example", Ok)]
    [InlineData("reject_unauthenticated_sender_login_mismatch", "bob", "carol@dest.example", Ok)]
    [InlineData("reject_unauthenticated_sender_login_mismatch", "", "carol@dest.example", NotLoggedIn)]
    [InlineData("reject_known_sender_login_mismatch", "bob", "free@dest.example", Ok)]
    [InlineData("reject_known_sender_login_mismatch", "bob", "carol@dest.example", NotOwned)]
    [InlineData("reject_known_sender_login_mismatch", "", "carol@dest.example", NotLoggedIn)]
    [InlineData("reject_known_sender_login_mismatch", "", "free@dest.example", Ok)]
    public async Task A_sender_belongs_to_its_logins(string restriction, string login, string sender, string expected)
    {
        var world = World(login, ("smtpd_sender_restrictions", restriction), ("smtpd_relay_restrictions", "check_client_access t:all, reject"));
        Assert.Equal(expected.Replace("{0}", sender, StringComparison.Ordinal), await RcptAsync(world, login, sender, "alice@dest.example"));
    }

    [Theory]
    [InlineData("permit_sasl_authenticated, reject", "bob", Ok)]
    [InlineData("permit_sasl_authenticated, reject", "", "554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied")]
    [InlineData("check_sasl_access t:logins, reject", "bob", Ok)]
    [InlineData("check_sasl_access t:logins, reject", "mallory", "554 5.7.1 <mallory>: SASL login name rejected: go away")]
    [InlineData("check_sasl_access t:logins, reject", "", "554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied")]
    public async Task A_login_opens_doors(string restrictions, string login, string expected) =>
        Assert.Equal(expected, await RcptAsync(World(login, ("smtpd_relay_restrictions", restrictions)), login, "bob@dest.example", "x@remote.example"));

    [Theory]
    [InlineData("Yes", Ok)]
    [InlineData("YES", Ok)]
    [InlineData("No", "554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied")]
    public async Task Yes_is_yes_in_any_case(string value, string expected) => Assert.Equal(
        expected, await RcptAsync(World("bob", ("smtpd_relay_restrictions", "permit_sasl_authenticated, reject"), ("smtpd_sasl_auth_enable", value)), "bob", "bob@dest.example", "x@remote.example"));

    [Fact]
    public async Task Where_nobody_can_log_in_a_login_that_is_told_opens_none()
    {
        var world = World("bob", ("smtpd_relay_restrictions", "permit_sasl_authenticated, reject"), ("smtpd_sasl_auth_enable", "no"), ("smtpd_sender_restrictions", "reject_sender_login_mismatch"));
        Assert.Equal("554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied", await RcptAsync(world, "bob", "carol@dest.example", "x@remote.example"));
        Assert.Contains("warning: restriction `reject_authenticated_sender_login_mismatch' ignored: no SASL support", world.LogLines);
    }

    [Fact]
    public async Task A_table_that_fails_defers()
    {
        var world = World("bob", ("smtpd_sender_login_maps", "t:missing"), ("smtpd_sender_restrictions", "reject_sender_login_mismatch"));
        Assert.Equal("451 4.3.0 <bob@dest.example>: Temporary lookup failure", await RcptAsync(world, "bob", "bob@dest.example", "alice@dest.example"));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(-1, true)]
    [InlineData(-2, false)]
    public async Task The_numbered_sender_of_probes_is_a_recipient_while_it_is_used(int periods, bool known)
    {
        var world = World("", ("address_verify_sender_ttl", "1000s"), ("address_verify_sender", "double-bounce@dest.example"), ("local_recipient_maps", "t:owners"));
        var now = world.Time.GetUtcNow().ToUnixTimeSeconds();
        var sender = ProbeSender.Make("double-bounce@dest.example", 1000, now + (periods * 1000));
        var reply = await RcptAsync(world, "", "", sender);
        Assert.Equal(known ? Ok : $"550 5.1.1 <{sender}>: Recipient address rejected: User unknown in local recipient table", reply);
    }

    /// <summary>A peer that asks about it while we ask about the peer's must hear that it is there.</summary>
    [Theory]
    [InlineData("double-bounce", "double-bounce@dest.example", true)]
    [InlineData("double-bounce@dest.example", "Double-Bounce@dest.example", true)]
    [InlineData("dest.example!double-bounce", "double-bounce@dest.example", true)]
    [InlineData("double-bounce", "double-bounce@mx.dest.example", false)]
    [InlineData("double-bounce", "double-bounce1@dest.example", false)]
    [InlineData("", "double-bounce@dest.example", false)]
    [InlineData("<>", "double-bounce@dest.example", false)]
    public async Task Nobody_refuses_the_sender_of_probes(string configured, string recipient, bool taken)
    {
        var world = World("", ("address_verify_sender", configured), ("smtpd_client_restrictions", "reject"));
        Assert.Equal(taken ? Ok : "554 5.7.1 <client.good.example[127.0.7.1]>: Client host rejected: Access denied", await RcptAsync(world, "", "", recipient));
    }

    [Fact]
    public async Task Mail_from_the_sender_of_probes_has_no_number()
    {
        var world = World("", ("address_verify_sender_ttl", "1000s"), ("address_verify_sender", "double-bounce@dest.example"));
        await RcptAsync(world, "", ProbeSender.Make("double-bounce@dest.example", 1000, world.Time.GetUtcNow().ToUnixTimeSeconds()), "bob@dest.example");
        Assert.Equal("double-bounce@dest.example", world.Cleanup.Messages.Single().Envelope.Sender);
    }

    [Fact]
    public async Task A_reply_is_what_the_filter_makes_of_it_and_stays_a_refusal()
    {
        var world = World("", ("smtpd_relay_restrictions", "reject"), ("smtpd_reject_filter_maps", "t:filter"));
        const string Denied = "554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied";
        world.Tables["t:filter"] = new() { [Denied] = "450 4.7.1 later" };
        Assert.Equal("450 4.7.1 later", await RcptAsync(world, "", "a@sender.example", "x@remote.example"));
        world.Tables["t:filter"] = new() { [Denied] = "250 2.0.0 fine" };
        Assert.Equal(Denied, await RcptAsync(world, "", "a@sender.example", "x@remote.example"));
        Assert.Contains($"warning: smtpd_reject_filter_maps: bad result \"250 2.0.0 fine\" for \"{Denied}\": expected a reply 4xx or 5xx", world.LogLines);
    }

    private static SmtpdWorld World(string login, params (string, string)[] main)
    {
        var world = new SmtpdWorld([("smtpd_sasl_auth_enable", "yes"), ("smtpd_sender_login_maps", "t:owners"), ("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), .. main]);
        world.Tables["t:owners"] = new() { ["bob@dest.example"] = "bob", ["carol@dest.example"] = "carol, dave", ["alice@dest.example"] = "x", ["alice"] = "x" };
        world.Tables["t:logins"] = new() { ["bob"] = "OK", ["mallory"] = "REJECT go away" };
        world.Tables["t:all"] = new() { [SmtpdWorld.Stranger] = "OK" };
        return world;
    }

    private static async Task<string?> RcptAsync(SmtpdWorld world, string login, string sender, string recipient)
    {
        var client = await world.Connect().HelloAsync();
        if (login.Length > 0)
        {
            Assert.StartsWith("220 ", await client.CommandAsync($"XCLIENT LOGIN={login}"), StringComparison.Ordinal);
            await client.CommandAsync("HELO c.example");
        }
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync($"MAIL FROM:<{sender}>"));
        var reply = await client.CommandAsync($"RCPT TO:<{recipient}>");
        await client.FinishAsync();
        return reply;
    }
}
