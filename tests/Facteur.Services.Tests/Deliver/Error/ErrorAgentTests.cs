using Facteur.Mail.Dsn;
using Facteur.Services.Deliver.Discard;
using Facteur.Services.Deliver.Error;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver.Error;

public sealed class ErrorAgentTests : IDisposable
{
    private readonly DeliverRoom _room = new();

    public void Dispose() => _room.Dispose();

    [Theory]
    [InlineData("5.7.1 go away", false, "dsn=5.7.1, status=bounced (go away)")]
    [InlineData("4.7.1 later", false, "dsn=5.0.0, status=bounced (later)")]
    [InlineData("nope", false, "dsn=5.0.0, status=bounced (nope)")]
    [InlineData("4.3.2 not now", true, "dsn=4.3.2, status=deferred (not now)")]
    [InlineData("5.3.2 not now", true, "dsn=4.0.0, status=deferred (not now)")]
    [InlineData("plain text", true, "dsn=4.0.0, status=deferred (plain text)")]
    public async Task The_next_hop_is_the_reason(string nexthop, bool retry, string expected)
    {
        var agent = new ErrorAgent(new TestConfig(), retry, _room.ServiceLog("postfix/error"), _room.Time);
        var result = await agent.DeliverAsync(_room.Request("x\n", ["a@b.example", "c@d.example"], nexthop: nexthop), default);
        Assert.Equal(2, result.Recipients.Count);
        Assert.EndsWith(expected, _room.Lines[0]);
        Assert.Contains("relay=none", _room.Lines[0]);
    }

    [Theory]
    [InlineData("to the bin", "dsn=2.0.0, status=sent (to the bin)")]
    [InlineData("2.1.9 silently", "dsn=2.1.9, status=sent (silently)")]
    [InlineData("5.1.1 silently", "dsn=2.0.0, status=sent (silently)")]
    public async Task Discard_counts_as_delivered(string nexthop, string expected)
    {
        var agent = new DiscardAgent(_room.ServiceLog("postfix/discard"), _room.Time);
        var result = await agent.DeliverAsync(_room.Request("x\n", ["a@b.example"], nexthop: nexthop), default);
        Assert.Equal(DeliveryOutcome.Sent, result.Recipients[0].Status.Outcome);
        Assert.EndsWith(expected, _room.Lines[0]);
    }
}
