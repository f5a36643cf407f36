namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>What holds by a low compatibility_level alone is said where it makes a difference.</summary>
public sealed class BackwardsDefaultsTests
{
    private const string Said = "using backwards-compatible default setting ";

    // SmtpdWorld sets them.
    private static readonly (string, string)[] Defaults =
    [
        ("smtpd_relay_before_recipient_restrictions", "${{$compatibility_level} <level {3.6} ? {no} : {yes}}"),
        ("smtpd_relay_restrictions", "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}"),
    ];

    private static async Task<List<string>> LogOf(SmtpdWorld world, params string[] commands)
    {
        var client = await world.Connect().HelloAsync();
        foreach (var command in commands)
        {
            await client.CommandAsync(command);
        }
        await client.FinishAsync();
        return [.. world.LogLines.Where(l => l.StartsWith(Said, StringComparison.Ordinal)).Select(l => l[Said.Length..])];
    }

    [Fact]
    public async Task Recipients_before_relaying()
    {
        string[] session = ["MAIL FROM:<a@sender.example>", "RCPT TO:<x@remote.example>", "RCPT TO:<alice@dest.example>"];
        (string, string)[] main = [Defaults[0], ("smtpd_recipient_restrictions", "reject_unauth_destination"), ("smtpd_relay_restrictions", "")];
        Assert.Equal(
            [$"smtpd_relay_before_recipient_restrictions=no to reject recipient \"x@remote.example\" from client \"client.good.example[{SmtpdWorld.Stranger}]\""],
            await LogOf(new SmtpdWorld([("compatibility_level", "3.5"), .. main]), session));
        Assert.Empty(await LogOf(new SmtpdWorld([("compatibility_level", "3.6"), .. main]), session));
        Assert.Empty(await LogOf(new SmtpdWorld([("compatibility_level", "2"), .. main, ("smtpd_relay_before_recipient_restrictions", "no")]), session));
    }

    [Fact]
    public async Task Relaying_that_newer_releases_refuse()
    {
        string[] session = ["MAIL FROM:<a@sender.example>", "RCPT TO:<x@remote.example>", "RCPT TO:<alice@dest.example>"];
        (string, string)[] main = [.. Defaults, ("smtpd_recipient_restrictions", "check_sender_access t:ok, reject")];
        static SmtpdWorld With(params (string, string)[] main)
        {
            var world = new SmtpdWorld(main);
            world.Tables["t:ok"] = new() { ["a@sender.example"] = "OK" };
            return world;
        }
        Assert.Equal(
            [$"\"smtpd_relay_restrictions = (empty)\" to avoid \"Relay access denied\" error for recipient \"x@remote.example\" from client \"client.good.example[{SmtpdWorld.Stranger}]\""],
            await LogOf(With([("compatibility_level", "0"), ("relay_domains", ""), .. main]), session));
        Assert.Empty(await LogOf(With([("compatibility_level", "0"), ("relay_domains", ""), .. main, ("smtpd_relay_restrictions", "")]), session));
    }

    [Fact]
    public async Task Addresses_above_ascii()
    {
        string[] session = ["MAIL FROM:<\u00e4@sender.example>", "RCPT TO:<j\u00f6@dest.example>"];
        Assert.Equal(
            [$"smtputf8_enable=no to accept non-ASCII sender address \"\u00e4@sender.example\" from client.good.example[{SmtpdWorld.Stranger}]",
                $"smtputf8_enable=no to accept non-ASCII recipient address \"j\u00f6@dest.example\" from client.good.example[{SmtpdWorld.Stranger}]"],
            await LogOf(new SmtpdWorld(("compatibility_level", "0"), ("relay_domains", "")), session));
        Assert.Empty(await LogOf(new SmtpdWorld(("compatibility_level", "0"), ("relay_domains", ""), ("smtputf8_enable", "no")), session));
        Assert.Empty(await LogOf(new SmtpdWorld(("compatibility_level", "1"), ("relay_domains", "")), session));
    }

    [Fact]
    public async Task Etrn_for_our_own_domains()
    {
        Assert.Equal(["relay_domains=$mydestination to flush mail for domain \"dest.example\""], await LogOf(new SmtpdWorld(("compatibility_level", "1")), "ETRN dest.example"));
        Assert.Empty(await LogOf(new SmtpdWorld(("compatibility_level", "1"), ("fast_flush_domains", "dest.example")), "ETRN dest.example"));
    }
}
