using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>Orders, answers and results that cross each other: no recipient gets a message twice, none is forgotten.</summary>
public sealed class InterleavingTests
{
    [Fact]
    public void A_message_held_in_the_middle_of_a_delivery_is_not_delivered_again()
    {
        var sim = new QmgrSimulation(("default_destination_recipient_limit", "1"), ("smtp_destination_concurrency_limit", "1"), ("initial_destination_concurrency", "1"));
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Ok(request));
        var id = sim.Submit("a@b", "u@one.example", "v@two.example");
        sim.Turn();
        Assert.Equal(2, sim.Requests.Count);
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_message_released_while_it_is_delivered_holds_up_no_other_and_goes_once()
    {
        var sim = new QmgrSimulation(("queue_run_delay", "1s"));
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Ok(request));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Turn();
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Spool.Commit(true);
        Assert.True(sim.Qmgr.Super(SuperOperation.Release, id));
        sim.Run(TimeSpan.FromSeconds(2));
        sim.Spool.End(100, new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("v@two.example")] }, QueueState.Deferred, sim.Time.GetUtcNow().ToUnixTimeSeconds());
        sim.Spool.Commit(true);
        Assert.False(sim.Qmgr.Fill());
        Assert.True(sim.Qmgr.Active.ContainsKey(100));
        Assert.Equal(long.MaxValue, sim.Spool.NextDueSeconds);
        Assert.Contains($"postfix/qmgr: {QueueId.Format(id, false)}: skipped, still being delivered", sim.Log.Lines);
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(2, sim.Requests.Count);
    }

    [Fact]
    public void A_flush_by_destination_leaves_a_message_alone_that_is_being_delivered()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Ok(request));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Turn();
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Spool.Commit(true);
        Assert.True(sim.Qmgr.Super(SuperOperation.Release, id));
        sim.Spool.Commit(true);
        var place = 0;
        while (sim.Qmgr.FlushSite("one.example", ref place))
        {
        }
        Assert.Equal(0, sim.Spool.StagedBytes);
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Empty(sim.Spool.Ids);
        Assert.Single(sim.Requests);
    }

    [Fact]
    public void What_of_a_held_message_was_not_started_waits_and_goes_once()
    {
        var sim = new QmgrSimulation(("default_destination_recipient_limit", "2"), ("initial_destination_concurrency", "1"), ("smtp_destination_concurrency_limit", "1"));
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Ok(request));
        var id = sim.Submit("a@b", "u@one.example", "v@one.example", "w@one.example");
        sim.Turn();
        Assert.Single(sim.Requests);
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Run(TimeSpan.FromHours(1));
        Assert.True(sim.Spool.TryGet(id, out var entry) && entry.State == QueueState.Hold);
        Assert.Single(sim.Requests);
        Assert.True(sim.Qmgr.Super(SuperOperation.Release, id));
        sim.Run(TimeSpan.FromMinutes(10));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(["u@one.example", "v@one.example", "w@one.example"], sim.Requests.SelectMany(r => r.Recipients).Select(r => r.Recipient.Address).Order());
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(5, 0)]
    public void Who_has_the_message_does_not_get_it_again_when_others_are_tried_later(int sentAfter, int deferredAfter)
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => request.Nexthop == "one.example"
            ? (TimeSpan.FromSeconds(sentAfter), QmgrSimulation.Ok(request))
            : (TimeSpan.FromSeconds(deferredAfter), QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        sim.Submit("a@b", "u@one.example", "v@two.example");
        sim.Run(TimeSpan.FromHours(3));
        Assert.Single(sim.Requests, r => r.Nexthop == "one.example");
        Assert.True(sim.Requests.Count > 3);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public void A_requeue_that_was_cut_off_leaves_the_message_to_be_delivered(bool unreported, int deliveries)
    {
        var sim = new QmgrSimulation();
        var id = sim.Submit("a@b", "u@one.example");
        sim.Spool.Outcome(id, new SpoolOutcome(0, Done: true, Unreported: unreported, OutcomeDetail.Write(DeliveryStatus.Deferred(0, 0, "being requeued"), warned: false)));
        sim.Spool.Move(id, QueueState.Deferred, 0);
        sim.Spool.Commit(true);
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(deliveries, sim.Requests.Count);
        Assert.Empty(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_message_is_quiet_only_when_nothing_of_it_is_under_way()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Turn();
        Assert.False(sim.Qmgr.Quiet(id));
        sim.Run(TimeSpan.FromSeconds(6));
        Assert.True(sim.Qmgr.Quiet(id));
        Assert.True(sim.Qmgr.Quiet(999));
    }

    [Theory]
    [InlineData("scan:[127.0.0.1]:10025", "", MessageFlags.None, "scan [127.0.0.1]:10025")]
    [InlineData("scan:", "", MessageFlags.None, "scan one.example")]
    [InlineData("scan", "next.example", MessageFlags.None, "scan next.example")]
    [InlineData("scan:[127.0.0.1]:10025", "", MessageFlags.VerifyOnly, "smtp one.example")]
    public void A_filter_comes_before_all_other_routes(string filter, string nexthop, MessageFlags flags, string expected)
    {
        var sim = new QmgrSimulation(("default_filter_nexthop", nexthop));
        sim.Submit(new Envelope
        {
            Sender = "a@b",
            Flags = flags,
            Recipients = [new EnvelopeRecipient("u@one.example"), new EnvelopeRecipient("v@one.example")],
            Attributes = MessageAttributes.None.With(MessageAttributes.Filter, filter),
        });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.All(sim.Requests, r => Assert.Equal(expected, $"{r.Transport} {r.Nexthop}"));
        Assert.Equal(["u@one.example", "v@one.example"], sim.Requests.SelectMany(r => r.Recipients).Select(r => r.Recipient.Address).Order());
    }

    [Fact]
    public void A_resolver_that_throws_defers_and_does_not_hold_the_message_for_ever()
    {
        var sim = new QmgrSimulation();
        sim.Resolver = static _ => ValueTask.FromException<Resolution>(new InvalidOperationException("a fault"));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Empty(sim.Qmgr.Active);
        Assert.True(sim.Spool.TryGet(id, out var entry) && entry.State == QueueState.Deferred);
        Assert.Contains(sim.Log.Lines, l => l.Contains("a fault", StringComparison.Ordinal));
        var logged = Assert.Single(sim.Requests);
        Assert.Equal(("retry", "4.3.0 address resolver failure"), (logged.Transport, logged.Nexthop));
    }

    [Fact]
    public void An_address_that_fits_no_frame_bounces_and_the_link_to_the_agents_stays()
    {
        var sim = new QmgrSimulation { Resolver = static r => new(new Resolution("smtp", "h", new string('a', 5000) + r, ResolveFlags.Default)) };
        sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        var logged = Assert.Single(sim.Requests);
        Assert.Equal(("error", "5.1.3 address is too long", "u@one.example"), (logged.Transport, logged.Nexthop, logged.Recipients[0].Recipient.Address));
        Assert.Equal("5.1.3", Assert.Single(sim.Reports).Recipients[0].Status.Status.ToString());
    }

    [Fact]
    public void Mail_of_a_dead_destination_is_deferred_when_the_retry_service_is_missing_too()
    {
        var sim = new QmgrSimulation { RetryFails = true };
        sim.Deliver = static request => (TimeSpan.FromMilliseconds(10), QmgrSimulation.Unreachable(request));
        for (var i = 0; i < 50; i++)
        {
            sim.Submit("a@b", $"u{i}@dead.example");
        }
        sim.Run(TimeSpan.FromSeconds(30));
        Assert.Empty(sim.Qmgr.Active);
        Assert.Equal(50, sim.Spool.Count(QueueState.Deferred));
    }

    [Fact]
    public void Bounce_is_told_of_all_that_failed_whatever_notify_says_and_the_report_closes_all()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no")));
        sim.Submit(new Envelope
        {
            Sender = "a@b",
            Recipients = [new EnvelopeRecipient("c@d", Notify: DsnNotify.Never), new EnvelopeRecipient("e@d", Notify: DsnNotify.Failure), new EnvelopeRecipient("f@d")],
        });
        sim.Run(TimeSpan.FromSeconds(1));
        var report = Assert.Single(sim.Reports);
        Assert.True(report.Closes);
        Assert.Equal([0, 1, 2], report.Recipients.Select(r => r.Index).Order());
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData(DsnNotify.Success, DsnAction.Delivered, 1)]
    [InlineData(DsnNotify.Success, DsnAction.Relayed, 1)]
    [InlineData(DsnNotify.Success, DsnAction.Expanded, 1)]
    [InlineData(DsnNotify.Success, DsnAction.None, 0)]
    [InlineData(DsnNotify.None, DsnAction.Delivered, 0)]
    [InlineData(DsnNotify.Never, DsnAction.Delivered, 0)]
    public void Success_is_reported_to_who_asked_when_nobody_else_does(DsnNotify notify, DsnAction action, int reports)
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Sent("ok", action)));
        sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("c@d", Notify: notify)] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(reports, sim.Reports.Count(r => r.Kind == ReportKind.Success));
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_forced_expiry_is_logged_by_retry_when_nothing_was_logged_before(bool tried)
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        var id = sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("u@one.example")] });
        if (!tried)
        {
            Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        }
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.True(sim.Qmgr.Super(SuperOperation.ForceExpire, id));
        sim.Run(TimeSpan.FromHours(1));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(tried ? ["smtp"] : ["retry"], sim.Requests.Select(r => r.Transport));
        Assert.Equal(tried ? "busy" : "message is administratively expired", Assert.Single(sim.Reports).Recipients[0].Status.Reason);
    }

    [Fact]
    public void A_message_is_expired_once_and_a_held_one_is_returned_when_it_is_released()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        foreach (var operation in (SuperOperation[])[SuperOperation.Hold, SuperOperation.Expire])
        {
            Assert.True(sim.Qmgr.Super(operation, id));
            sim.Run(TimeSpan.FromSeconds(1));
        }
        Assert.False(sim.Qmgr.Super(SuperOperation.Expire, id));
        sim.Run(TimeSpan.FromHours(5));
        Assert.Empty(sim.Reports);
        Assert.True(sim.Qmgr.Super(SuperOperation.ForceExpire, id));
        sim.Run(TimeSpan.FromMinutes(5));
        Assert.Single(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }
}
