using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Tests.Queue.Qmgr;

public sealed class ProbeTests
{
    private static Envelope Probe(string address, string original) =>
        new() { Sender = "double-bounce", Origin = MessageOrigin.Verify, Flags = MessageFlags.Probe, Recipients = [new EnvelopeRecipient(address, original)] };

    private static DeliveryStatus Undeliverable(DeliveryStatus status) => status with { Outcome = DeliveryOutcome.Undeliverable };

    [Fact]
    public void A_probe_ends_with_its_first_attempt_and_only_verify_is_told()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, request.Nexthop switch
        {
            "good.example" => DeliveryStatus.Sent("250 ok") with { Outcome = DeliveryOutcome.Deliverable },
            "bad.example" => Undeliverable(DeliveryStatus.Bounced(1, 1, "no such user")),
            _ => Undeliverable(DeliveryStatus.Deferred(2, 0, "busy")),
        }));
        sim.Submit(Probe("a@good.example", "a@good.example"));
        sim.Submit(Probe("b@bad.example", "alias@dest.example"));
        sim.Submit(Probe("c@busy.example", "c@busy.example"));
        sim.Run(TimeSpan.FromDays(10));
        Assert.Equal(
            ["a@good.example Ok 250 ok", "alias@dest.example Bounced no such user", "b@bad.example Bounced no such user", "c@busy.example Deferred busy"], sim.Probed.Order());
        Assert.Equal(3, sim.Requests.Count);
        Assert.All(sim.Requests, request => Assert.Equal(DeliveryFlags.VerifyOnly, request.Flags & DeliveryFlags.VerifyOnly));
        Assert.Empty(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_probe_whose_destination_or_delivery_is_lost_leaves_nothing_behind()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, request.Nexthop == "dead.example" ? QmgrSimulation.Unreachable(request) : new DeliveryResult(request.RequestId, []));
        sim.Submit(Probe("a@dead.example", "a@dead.example"));
        sim.Submit(Probe("b@lost.example", "b@lost.example"));
        sim.Run(TimeSpan.FromDays(10));
        Assert.Equal(["a@dead.example Deferred", "b@lost.example Deferred"], sim.Probed.Select(line => string.Join(' ', line.Split(' ').Take(2))).Order());
        Assert.Empty(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData(MessageFlags.Probe, "deliverable")]
    [InlineData(MessageFlags.VerifyOnly, "deliverable")]
    [InlineData(MessageFlags.None, "sent")]
    public void The_postmasters_address_for_reports_takes_all(MessageFlags flags, string status)
    {
        var sim = new QmgrSimulation { Resolver = static recipient => new(new Resolution("local", "dest.example", recipient, ResolveFlags.Default | ResolveFlags.Local)) };
        sim.Submit(new Envelope { Sender = "a@sender.example", Flags = flags, Recipients = [new EnvelopeRecipient("double-bounce@dest.example", "double-bounce@dest.example")] });
        sim.Run(TimeSpan.FromDays(1));
        Assert.Contains(sim.Log.Lines, line => line.EndsWith($"dsn=2.0.0, status={status} (undeliverable postmaster notification discarded)", StringComparison.Ordinal));
        Assert.Empty(sim.Requests);
        Assert.Equal(flags == MessageFlags.Probe ? ["double-bounce@dest.example Ok undeliverable postmaster notification discarded"] : [], sim.Probed);
    }

    [Fact]
    public void Probes_beyond_the_limit_fail_at_once()
    {
        var sim = new QmgrSimulation(("address_verify_pending_request_limit", "2"));
        sim.Deliver = request => (TimeSpan.FromMinutes(1), QmgrSimulation.Fail(request, DeliveryStatus.Sent("250 ok") with { Outcome = DeliveryOutcome.Deliverable }));
        for (var i = 0; i < 5; i++)
        {
            sim.Submit(Probe($"u{i}@good.example", $"u{i}@good.example"));
        }
        sim.Run(TimeSpan.FromHours(1));
        Assert.Equal(2, sim.Probed.Count(line => line.EndsWith("Ok 250 ok", StringComparison.Ordinal)));
        Assert.Equal(3, sim.Probed.Count(line => line.EndsWith("Deferred Too many address verification requests", StringComparison.Ordinal)));
        Assert.Empty(sim.Spool.Ids);
    }

    /// <summary>Quoted, each backslash is two: what no link carries would end the one to the agents, and all mail with it.</summary>
    [Theory]
    [InlineData(900, true)]
    [InlineData(990, false)]
    public void A_sender_that_verp_makes_too_long_stays_as_it_is(int length, bool named)
    {
        var sim = new QmgrSimulation();
        var local = $"\"{string.Concat(Enumerable.Repeat("\\\\", length))}\"";
        sim.Submit(new Envelope { Sender = $"{local}@{new string('s', 200)}.example", Verp = "+=", Recipients = [new EnvelopeRecipient($"{local}@one.example")] });
        sim.Run(TimeSpan.FromSeconds(1));
        var request = Assert.Single(sim.Requests);
        Assert.Equal(named, request.Envelope.Sender.Contains("=one.example", StringComparison.Ordinal));
        Assert.True(EnvelopeCodec.Fits(request.Envelope.Sender));
    }

    [Fact]
    public void Requests_carry_what_is_known_of_a_messages_client()
    {
        var sim = new QmgrSimulation();
        sim.Submit(new Envelope
        {
            Sender = "a@b",
            Recipients = [new EnvelopeRecipient("a@one.example")],
            Attributes = MessageAttributes.None.With(MessageAttributes.SaslUsername, "bob"),
        });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("bob", Assert.Single(sim.Requests).Envelope.Attributes.Value(MessageAttributes.SaslUsername));
    }

    [Fact]
    public void With_verp_each_recipient_has_a_delivery_and_a_sender_of_its_own()
    {
        var sim = new QmgrSimulation();
        sim.Submit(new Envelope
        {
            Sender = "list@sender.example",
            Verp = "+=",
            Recipients = [new EnvelopeRecipient("a@one.example", "x@given.example"), new EnvelopeRecipient("b@one.example")],
        });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(
            ["list+b=one.example@sender.example b@one.example", "list+x=given.example@sender.example a@one.example"],
            sim.Requests.Select(r => $"{r.Envelope.Sender} {Assert.Single(r.Recipients).Recipient.Address}").Order());
    }
}
