using Facteur.Contracts;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class VerifyRestrictionTests : IAddressProbes
{
    private readonly List<string> _asked = [];
    private Func<string, AddressVerdict?> _answer = static _ => new AddressVerdict(AddressStatus.Ok, "250 ok");

    [Theory]
    [InlineData(AddressStatus.Ok, "250 ok", "250 2.1.5 Ok")]
    [InlineData(AddressStatus.Bounced, "no such user", "450 4.1.1 <alice@dest.example>: Recipient address rejected: unverified address: no such user")]
    [InlineData(AddressStatus.Deferred, "busy", "450 4.1.1 <alice@dest.example>: Recipient address rejected: unverified address: busy")]
    [InlineData(AddressStatus.Bounced, "no such user", "550 5.1.1 <alice@dest.example>: Recipient address rejected: undeliverable address: no such user", "unverified_recipient_reject_code", "550")]
    [InlineData(AddressStatus.Bounced, "no such user", "550 5.1.1 <alice@dest.example>: Recipient address rejected: undeliverable address: not here", "unverified_recipient_reject_code", "550", "unverified_recipient_reject_reason", "not here")]
    [InlineData(AddressStatus.Deferred, "busy", "250 2.1.5 Ok", "unverified_recipient_defer_code", "250")]
    [InlineData(AddressStatus.Deferred, "busy", "451 4.1.1 <alice@dest.example>: Recipient address rejected: unverified address: busy", "unverified_recipient_defer_code", "451")]
    public async Task A_recipient_is_judged_by_what_is_known_of_it(AddressStatus status, string text, string reply, params string[] settings)
    {
        _answer = _ => new AddressVerdict(status, text);
        var world = World("reject_unverified_recipient, permit", settings);
        Assert.Equal(reply, await RcptAsync(world));
        Assert.Equal(["alice@dest.example"], _asked);
    }

    [Fact]
    public async Task A_sender_has_its_own_codes_and_reason()
    {
        _answer = static _ => new AddressVerdict(AddressStatus.Bounced, "no such user");
        var world = World("reject_unverified_sender, permit", ["unverified_sender_reject_code", "550"]);
        Assert.Equal("550 5.1.7 <a@sender.example>: Sender address rejected: undeliverable address: no such user", await RcptAsync(world));
        Assert.Equal(["a@sender.example"], _asked);
    }

    [Fact]
    public async Task Doubt_waits_for_a_better_reason_to_refuse()
    {
        _answer = static _ => new AddressVerdict(AddressStatus.Deferred, "busy");
        Assert.StartsWith("554 5.7.1", await RcptAsync(World("reject_unverified_recipient, reject", [])), StringComparison.Ordinal);
        Assert.StartsWith("450 4.1.1", await RcptAsync(World("reject_unverified_recipient, reject", ["unverified_recipient_tempfail_action", "defer"])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_probe_under_way_is_asked_for_as_often_as_set()
    {
        _answer = _ => _asked.Count < 2 ? new AddressVerdict(AddressStatus.InProgress, "Address verification in progress") : new AddressVerdict(AddressStatus.Ok, "250 ok");
        var world = World("reject_unverified_recipient, permit", ["address_verify_poll_delay", "5"]);
        var reply = RcptAsync(world);
        while (!reply.IsCompleted)
        {
            await Task.WhenAny(reply, Task.Delay(20));
            world.Time.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal("250 2.1.5 Ok", await reply);
        Assert.Equal(2, _asked.Count);
        _answer = static _ => new AddressVerdict(AddressStatus.InProgress, "Address verification in progress");
        _asked.Clear();
        Assert.Equal(
            "450 4.1.1 <alice@dest.example>: Recipient address rejected: unverified address: Address verification in progress",
            await RcptAsync(World("reject_unverified_recipient, permit", ["address_verify_poll_count", "1"])));
        Assert.Single(_asked);
    }

    [Fact]
    public async Task Without_the_service_mail_is_put_off()
    {
        _answer = static _ => null;
        var world = World("reject_unverified_recipient, permit", []);
        Assert.Equal("450 4.1.1 <alice@dest.example>: Recipient address rejected: address verification problem", await RcptAsync(world));
        Assert.Contains("warning: verify service failure", world.LogLines);
    }

    ValueTask<AddressVerdict?> IAddressProbes.QueryAsync(string address, CancellationToken cancel)
    {
        _asked.Add(address);
        return new(_answer(address));
    }

    private SmtpdWorld World(string restrictions, string[] settings)
    {
        var pairs = settings.Chunk(2).Select(pair => (pair[0], pair[1]));
        return new SmtpdWorld([("smtpd_recipient_restrictions", restrictions), ("address_verify_poll_count", "3"), .. pairs]) { Probes = this };
    }

    private static async Task<string?> RcptAsync(SmtpdWorld world)
    {
        var client = await world.Connect().HelloAsync();
        Assert.Equal("250 2.1.0 Ok", await client.CommandAsync("MAIL FROM:<a@sender.example>"));
        var reply = await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.FinishAsync();
        return reply;
    }
}
