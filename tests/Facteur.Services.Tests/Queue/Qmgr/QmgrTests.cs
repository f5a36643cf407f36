using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Tests.Queue.Qmgr;

public sealed class QmgrTests
{
    [Fact]
    public void A_delivered_message_is_removed_and_logged()
    {
        var sim = new QmgrSimulation();
        var id = sim.Submit("a@sender.example", "b@one.example", "c@two.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(2, sim.Requests.Count);
        Assert.Equal(
            [$"postfix/qmgr: {QueueId.Format(id, false)}: from=<a@sender.example>, size=10, nrcpt=2 (queue active)", $"postfix/qmgr: {QueueId.Format(id, false)}: removed"],
            sim.Log.Lines);
    }

    [Theory]
    [InlineData("+", 2)]
    [InlineData("", 6)]
    public void Extended_addresses_of_a_user_get_no_more_deliveries_at_once_than_the_user(string delimiter, int atOnce)
    {
        var sim = new QmgrSimulation(("recipient_delimiter", delimiter), ("local_destination_concurrency_limit", "2"), ("local_destination_recipient_limit", "1"))
        {
            Resolver = static r => new(new Resolution("local", r.EndsWith("b.example", StringComparison.Ordinal) ? "b.example" : "c.example", r, ResolveFlags.Local)),
        };
        sim.Deliver = static request => (TimeSpan.FromHours(1), QmgrSimulation.Ok(request));
        foreach (var recipient in (string[])["mallory+1", "mallory+2", "Mallory+3", "mallory+4", "mallory+5", "mallory"])
        {
            sim.Submit("a@b", recipient + "@b.example");
        }
        sim.Submit("a@b", "alice+1@b.example");
        sim.Submit("a@b", "mallory+6@c.example");
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(atOnce, sim.Requests.Count(r => r.Recipients[0].Recipient.Address.StartsWith("mallory", StringComparison.OrdinalIgnoreCase) && r.Nexthop == "b.example"));
        Assert.Single(sim.Requests, r => r.Recipients[0].Recipient.Address.StartsWith("alice", StringComparison.Ordinal));
        Assert.Single(sim.Requests, r => r.Nexthop == "c.example");
    }

    [Theory]
    [InlineData("scan:[127.0.0.1]:10025", "scan:[127.0.0.1]:10025")]
    [InlineData("scan:", "scan:one.example scan:two.example")]
    [InlineData("scan", "scan:one.example scan:two.example")]
    public void A_content_filter_goes_before_where_addresses_lead(string filter, string expected)
    {
        var sim = new QmgrSimulation { Resolver = _ => throw new InvalidOperationException("asked") };
        sim.Submit(new Envelope { Sender = "a@b", ContentFilter = filter, Recipients = [new EnvelopeRecipient("x@one.example"), new EnvelopeRecipient("y@two.example")] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(expected, string.Join(' ', sim.Requests.Select(request => $"{request.Transport}:{request.Nexthop}").Order(StringComparer.Ordinal)));
        Assert.Equal(["x@one.example", "y@two.example"], sim.Requests.SelectMany(request => request.Recipients).Select(recipient => recipient.Recipient.Address).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_next_hop_of_filters_may_be_set()
    {
        var sim = new QmgrSimulation(("default_filter_nexthop", "[filter.example]"));
        sim.Submit(new Envelope { Sender = "a@b", ContentFilter = "scan:", Recipients = [new EnvelopeRecipient("x@one.example")] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("[filter.example]", Assert.Single(sim.Requests).Nexthop);
    }

    /// <summary>Four recipients at one next hop. What is given to an agent at once is journalled at once.</summary>
    [Theory]
    [InlineData("smtp", "0", "4")]
    [InlineData("virtual", "0", "1 1 1 1")]
    [InlineData("virtual", "1", "4")]
    public void Recipients_of_virtual_are_each_a_delivery(string transport, string delay, string expected)
    {
        var sim = new QmgrSimulation(("default_destination_rate_delay", delay)) { Resolver = r => new(new Resolution(transport, "one.example", r, ResolveFlags.Default)) };
        sim.Submit("a@b", "a@one.example", "b@one.example", "c@one.example", "d@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(expected, string.Join(' ', sim.Requests.Select(r => r.Recipients.Count)));
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData("50", "User@one.example b@one.example \"q x\"@one.example a@two.example")]
    [InlineData("1", "a@two.example b@one.example \"q x\"@one.example User@one.example")]
    public void Recipients_go_in_the_order_of_Postfix(string limit, string expected)
    {
        var sim = new QmgrSimulation(("default_destination_recipient_limit", limit));
        sim.Submit("a@b", [.. "\"q x\"@one.example,a@two.example,b@one.example,User@one.example".Split(',')]);
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(expected, string.Join(' ', sim.Requests.SelectMany(r => r.Recipients).Select(r => r.Recipient.Address)));
    }

    /// <summary>With room for 10 active messages, so many to one next hop, or to as many as there are.</summary>
    [Theory]
    [InlineData(2, 1, "")]
    [InlineData(3, 1, "mail for d0.example is using up 3 of 3 active queue entries|you may need to reduce smtp connect and helo timeouts|so that hosts that are not there are skipped quickly|"
        + "you may need to increase the main.cf minimal_backoff_time and maximal_backoff_time|so that less time goes into mail that can't be delivered|you may need to increase the master.cf smtp process limit|")]
    [InlineData(10, 2, "mail for d0.example is using up 3 of 5 active queue entries|this may slow down other mail deliveries|you may need a separate master.cf transport for d0.example|")]
    [InlineData(6, 1, "mail for d0.example is using up 3 of 3 active queue entries|you may need to increase the main.cf smtp_destination_concurrency_limit from 1|", "1", "5")]
    [InlineData(6, 1, "mail for d0.example is using up 3 of 3 active queue entries|you may need to increase the main.cf qmgr_message_active_limit from 10|", "50", "50")]
    [InlineData(6, 1, "", "20", "5", "0")]
    [InlineData(6, 1, "", "20", "5", "300", "no")]
    public void A_destination_that_fills_the_active_queue_is_warned_of(
        int messages, int destinations, string expected, string limit = "20", string initial = "5", string every = "300", string helpful = "yes")
    {
        var sim = new QmgrSimulation(
            ("qmgr_message_active_limit", "10"), ("default_destination_concurrency_limit", limit), ("initial_destination_concurrency", initial), ("qmgr_clog_warn_time", every), ("helpful_warnings", helpful))
        {
            Deliver = request => (TimeSpan.FromHours(1), QmgrSimulation.Ok(request)),
        };
        for (var i = 0; i < messages; i++)
        {
            sim.Submit("a@sender.example", $"x@d{i % destinations}.example");
        }
        sim.Run(TimeSpan.FromSeconds(1));
        var warnings = sim.Log.Lines.Select(l => l.Replace("postfix/qmgr: warning: ", "", StringComparison.Ordinal)).Where(l => l.Contains(" may ") || l.Contains("using up") || l.StartsWith("so that", StringComparison.Ordinal)
            || l.StartsWith("please", StringComparison.Ordinal) || l.StartsWith("lots", StringComparison.Ordinal) || l.StartsWith("to turn", StringComparison.Ordinal));
        const string end = "please avoid flushing the whole queue when you have|lots of deferred mail, that is bad for performance|to turn off these warnings specify: qmgr_clog_warn_time = 0";
        Assert.StartsWith(expected.Length == 0 ? "" : expected + end, string.Join('|', warnings));
        Assert.Equal(expected.Length > 0, warnings.Any());
    }

    [Fact]
    public void That_a_destination_fills_the_active_queue_is_not_said_all_the_time()
    {
        var sim = new QmgrSimulation(("qmgr_message_active_limit", "10")) { Deliver = request => (TimeSpan.FromHours(2), QmgrSimulation.Ok(request)) };
        int Said()
        {
            sim.Submit("a@sender.example", "x@d.example");
            sim.Run(TimeSpan.FromSeconds(1));
            return sim.Log.Lines.Count(l => l.Contains("using up", StringComparison.Ordinal));
        }
        Assert.Equal([0, 0, 1, 1], [Said(), Said(), Said(), Said()]);
        sim.Run(TimeSpan.FromSeconds(300));
        Assert.Equal(2, Said());
    }

    [Fact]
    public void An_expanded_alias_with_a_member_that_failed_has_two_reports()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no") with { Action = DsnAction.Expanded }));
        sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("list@d", Notify: DsnNotify.Success | DsnNotify.Failure)] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal([(ReportKind.Failure, "no"), (ReportKind.Success, "alias expanded")], sim.Reports.Select(r => (r.Kind, r.Recipients[0].Status.Reason)).Order());
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_failure_that_could_not_be_reported_yet_is_not_closed_by_the_report_of_the_expansion()
    {
        var sim = new QmgrSimulation(("minimal_backoff_time", "300")) { Unmade = { ReportKind.Failure } };
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no") with { Action = DsnAction.Expanded }));
        var id = sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("list@d", Notify: DsnNotify.Success | DsnNotify.Failure)] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.True(Assert.Single(sim.Spool.Read(id)!.Outcomes).Unreported);
        Assert.Equal(["Failure 0", "Success "], sim.Reports.Select(r => $"{r.Kind} {string.Join(' ', r.Closed())}").Order());
        sim.Unmade.Clear();
        sim.Run(TimeSpan.FromHours(1));
        Assert.Equal(2, sim.Reports.Count(r => r.Kind == ReportKind.Failure));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_failed_member_is_failed_in_the_report_that_sendmail_v_asks_for()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no") with { Action = DsnAction.Expanded }));
        sim.Submit(new Envelope { Sender = "a@b", Flags = MessageFlags.ReportDeliveries, Recipients = [new EnvelopeRecipient("list@d")] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(["Failure", "Verify"], sim.Reports.Select(r => r.Kind.ToString()).Order());
        var report = sim.Reports.Single(r => r.Kind == ReportKind.Verify);
        Assert.Equal(["alias expanded Expanded", "no Failed"], report.Recipients.Select(r => $"{r.Status.Reason} {r.Status.Action}").Order());
        Assert.Empty(report.Closed());
    }

    [Fact]
    public void The_report_that_sendmail_v_asks_for_is_of_the_first_attempt()
    {
        var sim = new QmgrSimulation();
        var attempts = 0;
        sim.Deliver = request => (TimeSpan.Zero, attempts++ == 0 ? QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "later")) : QmgrSimulation.Ok(request));
        sim.Submit(new Envelope { Sender = "a@b", Flags = MessageFlags.ReportDeliveries, Recipients = [new EnvelopeRecipient("c@d")] });
        sim.Run(TimeSpan.FromHours(2));
        var report = Assert.Single(sim.Reports);
        Assert.Equal((ReportKind.Verify, "later", 0), (report.Kind, Assert.Single(report.Recipients).Status.Reason, report.Closed().Length));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void What_fails_after_the_first_attempt_of_sendmail_v_is_returned_and_no_more()
    {
        var sim = new QmgrSimulation();
        var attempts = 0;
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, attempts++ == 0 ? DeliveryStatus.Deferred(2, 0, "later") : DeliveryStatus.Bounced(1, 1, "no")));
        sim.Submit(new Envelope { Sender = "a@b", Flags = MessageFlags.ReportDeliveries, Recipients = [new EnvelopeRecipient("c@d")] });
        sim.Run(TimeSpan.FromHours(2));
        Assert.Equal(["Verify later", "Failure no"], sim.Reports.Select(r => $"{r.Kind} {r.Recipients[0].Status.Reason}"));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void After_the_stop_nothing_more_is_begun_and_what_is_under_way_counts()
    {
        var sim = new QmgrSimulation(("default_destination_concurrency_limit", "2"), ("initial_destination_concurrency", "2"));
        sim.Deliver = static request => (TimeSpan.FromMilliseconds(200), QmgrSimulation.Ok(request));
        for (var i = 0; i < 20; i++)
        {
            sim.Submit("a@b", $"c{i}@one.example");
        }
        sim.Run(TimeSpan.FromMilliseconds(100));
        var begun = sim.Requests.Count;
        Assert.InRange(begun, 1, 2);
        sim.Qmgr.Stop();
        sim.Run(TimeSpan.FromSeconds(60));
        Assert.Equal((begun, 20 - begun, 0), (sim.Requests.Count, sim.Spool.Ids.Count, sim.UnderWay));
    }

    [Fact]
    public void Aliases_that_cleanup_expanded_are_reported_once_and_never_delivered_to()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, sim.Requests.Count == 1 ? QmgrSimulation.Fail(request, DeliveryStatus.Deferred(0, 0, "later")) : QmgrSimulation.Ok(request));
        sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("x@d", Notify: DsnNotify.Never), new EnvelopeRecipient("list@e", Notify: DsnNotify.Success | DsnNotify.Expanded)] });
        sim.Run(TimeSpan.FromHours(1));
        Assert.Equal(["x@d", "x@d"], sim.Requests.Select(r => Assert.Single(r.Recipients).Recipient.Address));
        var report = Assert.Single(sim.Reports);
        Assert.Equal((ReportKind.Success, new RecipientResult(1, DeliveryStatus.AliasExpanded)), (report.Kind, Assert.Single(report.Recipients)));
        Assert.Contains("nrcpt=1 ", sim.Log.Lines[0], StringComparison.Ordinal);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void Redirected_mail_goes_to_one_address_once_and_names_the_first_recipient()
    {
        var sim = new QmgrSimulation();
        var later = DeliveryStatus.Deferred(0, 0, "later");
        sim.Deliver = request => (TimeSpan.Zero, sim.Requests.Count == 1 ? QmgrSimulation.Fail(request, later) : QmgrSimulation.Ok(request));
        var recipients = new[] { "owner@d", "carol@d", "alice@d", "x@e" }.Select(a => new EnvelopeRecipient(a, a)).ToArray();
        var id = sim.Submit(new Envelope { Sender = "a@b", Redirect = "dave@f", Recipients = recipients });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(4, sim.Spool.Read(id)!.Envelope.Recipients.Count);
        sim.Run(TimeSpan.FromHours(1));
        Assert.Equal(2, sim.Requests.Count);
        Assert.All(sim.Requests, r => Assert.Equal(("dave@f", "alice@d"), (Assert.Single(r.Recipients).Recipient.Address, r.Recipients[0].Recipient.OriginalAddress)));
        Assert.Empty(sim.Spool.Ids);
        Assert.Contains("nrcpt=4", sim.Log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Recipients_of_one_destination_share_deliveries_up_to_the_recipient_limit()
    {
        var sim = new QmgrSimulation(("default_destination_recipient_limit", "3"));
        sim.Submit("a@b", [.. Enumerable.Range(0, 7).Select(i => $"u{i}@one.example"), "x@two.example"]);
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal([1, 1, 3, 3], sim.Requests.Select(r => r.Recipients.Count).Order());
    }

    [Fact]
    public void Who_was_served_last_is_not_served_again_when_the_message_stays()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => request.Nexthop == "late.example"
            ? (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")))
            : (TimeSpan.FromSeconds(2), QmgrSimulation.Ok(request));
        sim.Submit("a@b", "x@late.example", "y@good.example");
        sim.Run(TimeSpan.FromMinutes(30));
        Assert.Single(sim.Requests, r => r.Nexthop == "good.example");
        Assert.True(sim.Requests.Count(r => r.Nexthop == "late.example") > 1);
    }

    [Fact]
    public void Recipients_of_a_delivery_go_by_domain_and_address()
    {
        var sim = new QmgrSimulation();
        sim.Submit("a@b", "soft@d.example", "\"alice smith\"@d.example", "bad@d.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(["\"alice smith\"@d.example", "bad@d.example", "soft@d.example"], Assert.Single(sim.Requests).Recipients.Select(r => r.Recipient.Address));
    }

    [Fact]
    public void Back_off_doubles_within_its_bounds_and_expiry_bounces()
    {
        var sim = new QmgrSimulation(("maximal_queue_lifetime", "1d"));
        var start = sim.Time.GetUtcNow();
        var attempts = new List<double>();
        sim.Deliver = request =>
        {
            attempts.Add((sim.Time.GetUtcNow() - start).TotalSeconds);
            return (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        };
        sim.Submit("a@b", "c@d.example");
        sim.Run(TimeSpan.FromDays(2));
        Assert.Equal([0, 300, 600, 1200, 2400, 4800, 8800], attempts.Take(7));
        Assert.True(attempts[^1] is >= 86_400 and < 86_400 + 4001, $"last attempt after {attempts[^1]} s");
        Assert.Contains(sim.Log.Lines, l => l.Contains("status=expired, returned to sender", StringComparison.Ordinal));
        var report = Assert.Single(sim.Reports);
        Assert.Equal(ReportKind.Failure, report.Kind);
        Assert.Equal(DeliveryOutcome.Bounced, report.Recipients[0].Status.Outcome);
        Assert.Empty(sim.Spool.Ids);
    }

    // Postfix: create_time counts, not the time of arrival.
    [Fact]
    public void Mail_that_waited_in_maildrop_or_is_sent_round_again_has_all_of_its_lifetime_before_it()
    {
        var sim = new QmgrSimulation(("maximal_queue_lifetime", "1d"));
        var start = sim.Time.GetUtcNow();
        var now = (start - DateTimeOffset.UnixEpoch).Ticks / 10;
        var attempts = new List<double>();
        sim.Deliver = request =>
        {
            attempts.Add((sim.Time.GetUtcNow() - start).TotalSeconds);
            return (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        };
        var envelope = new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("c@d.example")], ArrivalMicros = now - 172_800_000_000 };
        envelope.SetQueued(now);
        sim.Submit(envelope);
        sim.Run(TimeSpan.FromDays(2));
        Assert.Equal([0, 300, 600, 1200], attempts.Take(4));
        Assert.True(attempts[^1] is >= 86_400 and < 86_400 + 4001, $"last attempt after {attempts[^1]} s");
        Assert.Single(sim.Reports);
    }

    [Theory]
    [InlineData("60s", "300s", new double[] { 0, 300, 600, 1200 })]
    [InlineData("60s", "60s", new double[] { 0, 60, 120, 240 })]
    [InlineData("300s", "60s", new double[] { 0, 300, 600, 1200 })]
    [InlineData("300s", "2h", new double[] { 0, 7200, 14_400, 21_600 })]
    public void No_message_is_tried_more_often_than_once_in_queue_run_delay(string backoff, string delay, double[] expected)
    {
        var sim = new QmgrSimulation(("minimal_backoff_time", backoff), ("queue_run_delay", delay), ("maximal_backoff_time", "4000s"));
        var start = sim.Time.GetUtcNow();
        var attempts = new List<double>();
        sim.Deliver = request =>
        {
            attempts.Add((sim.Time.GetUtcNow() - start).TotalSeconds);
            return (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        };
        sim.Submit("a@b", "c@d.example");
        sim.Run(TimeSpan.FromHours(8));
        Assert.Equal(expected, attempts.Take(4));
    }

    [Fact]
    public void A_delivery_without_a_word_of_the_next_hop_is_tried_again_soon_and_then_ever_more_rarely()
    {
        var s = new QmgrSimulation();
        s.Deliver = request => (TimeSpan.FromMilliseconds(10), new DeliveryResult(request.RequestId, []));
        s.Submit("s@example.com", "a@one.test");
        s.Run(TimeSpan.FromSeconds(30));
        Assert.InRange(s.Requests.Count, 4, 8);
        s.Deliver = static request => (TimeSpan.FromMilliseconds(10), QmgrSimulation.Ok(request));
        s.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(0, s.Spool.Count(Spool.QueueState.Deferred));
    }

    [Fact]
    public void A_bounce_that_cannot_be_reported_stays_queued_until_it_can()
    {
        var sim = new QmgrSimulation { ReportAnswer = ReportResult.TryAgain };
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no such user")));
        sim.Submit("a@b", "c@d.example");
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Single(sim.Spool.Ids);
        sim.ReportAnswer = ReportResult.Discarded;
        sim.Run(TimeSpan.FromSeconds(600));
        Assert.Empty(sim.Spool.Ids);
        Assert.Single(sim.Requests);
    }

    [Fact]
    public void Reports_are_made_a_few_at_a_time_and_a_message_that_waits_for_its_own_can_be_deleted()
    {
        var ends = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sim = new QmgrSimulation { ReportsEnd = ends.Task };
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no")));
        var ids = Enumerable.Range(0, 100).Select(i => sim.Submit("a@b", $"u@site{i}.example")).ToList();
        sim.Turn();
        sim.Turn();
        Assert.Equal(100, sim.Qmgr.Active.Count);
        Assert.Equal(20, sim.Qmgr.Active.Values.Count(m => m.Reports > 0));
        var deleted = sim.Qmgr.Active.Values.Where(m => m.ReportWaits).Select(m => m.Id).Take(10).ToHashSet();
        Assert.All(deleted, id => Assert.True(sim.Qmgr.Super(SuperOperation.Delete, id)));
        ends.SetResult();
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(ids.Where(id => !deleted.Contains(id)), sim.Reports.Select(r => r.MessageId).Order());
    }

    [Fact]
    public void Delay_warnings_are_sent_a_few_at_a_time_too()
    {
        var sim = new QmgrSimulation(("delay_warning_time", "1h"));
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        for (var i = 0; i < 50; i++)
        {
            sim.Submit("a@b", $"u@site{i}.example");
        }
        sim.Run(TimeSpan.FromMinutes(30));
        var ends = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        sim.ReportsEnd = ends.Task;
        sim.Time.Advance(TimeSpan.FromHours(1));
        sim.Turn();
        sim.Turn();
        Assert.Equal(20, sim.Qmgr.Active.Values.Count(m => m.Reports > 0));
        ends.SetResult();
        sim.Run(TimeSpan.FromHours(3));
        Assert.Equal(50, sim.Reports.Select(r => r.MessageId).Distinct().Count());
        Assert.Equal(50, sim.Reports.Count);
    }

    [Theory]
    [InlineData(DsnNotify.None)]
    [InlineData(DsnNotify.Failure)]
    [InlineData(DsnNotify.Never)]
    [InlineData(DsnNotify.Success)]
    public void Bounce_hears_of_every_failure_and_decides_who_is_told(DsnNotify notify)
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no")));
        sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("c@d", Notify: notify)] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Single(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_report_that_fails_is_reported_although_it_says_never()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Bounced(1, 1, "no")));
        sim.Submit(new Envelope { Sender = "", Recipients = [new EnvelopeRecipient("c@d", Notify: DsnNotify.Never)] });
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Single(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_dead_destination_rests_and_the_others_go_on()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = request => (TimeSpan.FromMilliseconds(50), request.Nexthop == "dead.example" ? QmgrSimulation.Unreachable(request) : QmgrSimulation.Ok(request));
        for (var i = 0; i < 100; i++)
        {
            sim.Submit("a@b", $"u{i}@dead.example");
            sim.Submit("a@b", $"u{i}@live.example");
        }
        sim.Run(TimeSpan.FromSeconds(30));
        Assert.Equal(100, sim.Spool.Ids.Count);
        Assert.Equal(100, sim.Requests.Count(r => r.Nexthop == "live.example"));
        // The first cohort is tried, the rest is not: it goes to retry with the reason.
        Assert.InRange(sim.Requests.Count(r => r.Nexthop == "dead.example"), 5, 10);
        Assert.Contains(sim.Requests, r => r.Transport == "retry"
            && r.Nexthop == "4.4.1 delivery temporarily suspended: connect to dead.example[192.0.2.1]:25: Connection refused");
    }

    [Fact]
    public void The_window_of_a_destination_opens_to_its_limit_and_no_further()
    {
        var sim = new QmgrSimulation(("smtp_destination_concurrency_limit", "12"));
        var most = 0;
        var now = 0;
        sim.Deliver = request =>
        {
            most = Math.Max(most, ++now);
            return (TimeSpan.FromMilliseconds(100), QmgrSimulation.Ok(request));
        };
        for (var i = 0; i < 300; i++)
        {
            sim.Submit("a@b", $"u{i}@one.example");
        }
        Assert.Equal(0, most);
        sim.Turn();
        Assert.Equal(5, most);
        for (var i = 0; i < 200; i++)
        {
            sim.Time.Advance(TimeSpan.FromMilliseconds(100));
            now = 0;
            most = 0;
            sim.Turn();
            Assert.True(sim.UnderWay <= 12);
        }
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_slow_transport_leaves_room_for_the_others()
    {
        var sim = new QmgrSimulation { Resolver = static r => new(new Resolution(r[..r.IndexOf('@')], r[(r.IndexOf('@') + 1)..], r, ResolveFlags.Default)) };
        sim.Deliver = static request => (request.Transport == "local" ? TimeSpan.FromSeconds(1) : TimeSpan.FromHours(1), QmgrSimulation.Ok(request));
        foreach (var transport in (string[])["smtp", "relay"])
        {
            for (var i = 0; i < 3000; i++)
            {
                sim.Submit("a@b", $"{transport}@site{i}.example");
            }
            sim.Turn();
        }
        Assert.Equal(1500, sim.Requests.Count(r => r.Transport == "smtp"));
        Assert.Equal(375, sim.Requests.Count(r => r.Transport == "relay"));
        for (var i = 0; i < 100; i++)
        {
            sim.Submit("a@b", "local@here.example");
        }
        sim.Run(TimeSpan.FromMinutes(1));
        Assert.Equal(100, sim.Requests.Count(r => r.Transport == "local"));
        sim.Run(TimeSpan.FromHours(9));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_destination_with_a_rate_delay_keeps_it_and_is_forgotten_after_it()
    {
        var sim = new QmgrSimulation(("default_destination_rate_delay", "1h"));
        var start = sim.Time.GetUtcNow();
        var times = new List<double>();
        sim.Deliver = request =>
        {
            times.Add((sim.Time.GetUtcNow() - start).TotalMinutes);
            return (TimeSpan.Zero, QmgrSimulation.Ok(request));
        };
        var message = SubmitOne(sim);
        sim.Run(TimeSpan.FromMinutes(1));
        GC.Collect();
        Assert.False(message.TryGetTarget(out _));
        SubmitOne(sim);
        sim.Run(TimeSpan.FromMinutes(90));
        Assert.Equal([0, 60], times);
        Assert.Equal(1, sim.Qmgr.Scheduler.DestinationCount);
        sim.Run(TimeSpan.FromMinutes(60));
        Assert.Equal(0, sim.Qmgr.Scheduler.DestinationCount);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference<object> SubmitOne(QmgrSimulation sim)
        {
            var id = sim.Submit("a@b", "u@one.example");
            sim.Turn();
            return new WeakReference<object>(sim.Qmgr.Active[id]);
        }
    }

    [Fact]
    public void A_window_does_not_open_while_it_is_not_used()
    {
        var sim = new QmgrSimulation(("smtp_destination_concurrency_limit", "20"));
        sim.Deliver = static request => (TimeSpan.FromMilliseconds(100), QmgrSimulation.Ok(request));
        for (var i = 0; i < 50; i++)
        {
            sim.Submit("a@b", "u@one.example");
            sim.Run(TimeSpan.FromMilliseconds(200));
        }
        for (var i = 0; i < 50; i++)
        {
            sim.Submit("a@b", "u@one.example");
        }
        sim.Turn();
        // One was under way at a time: initial_destination_concurrency more than that.
        Assert.Equal(6, sim.UnderWay);
    }

    [Fact]
    public void A_missing_transport_rests_and_its_mail_goes_to_retry_with_the_reason()
    {
        var sim = new QmgrSimulation(("transport_retry_time", "60s")) { Resolver = static r => new(new Resolution("gone", r[(r.IndexOf('@') + 1)..], r, ResolveFlags.Default)) };
        sim.Deliver = static request =>
            (TimeSpan.FromSeconds(1), new DeliveryResult(request.RequestId, [], DeliveryStatus.Deferred(3, 0, "mail transport unavailable"), TransportFailed: true));
        for (var i = 0; i < 20; i++)
        {
            sim.Submit("a@b", $"u{i}@one.example");
        }
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(5, sim.Requests.Count(r => r.Transport == "gone"));
        Assert.Equal(20, sim.Requests.Count(r => r is { Transport: "retry", Nexthop: "4.3.0 mail transport unavailable" }));
        Assert.Equal(20, sim.Spool.Count(QueueState.Deferred));
        sim.Submit("a@b", "u@two.example");
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(5, sim.Requests.Count(r => r.Transport == "gone"));
        Assert.Equal(21, sim.Spool.Count(QueueState.Deferred));
        sim.Run(TimeSpan.FromSeconds(42));
        sim.Submit("a@b", "u@three.example");
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(6, sim.Requests.Count(r => r.Transport == "gone"));
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Ok(request));
        sim.Qmgr.Flush();
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(0, sim.Qmgr.Scheduler.DestinationCount);
    }

    [Fact]
    public void A_transport_with_a_rate_delay_delivers_one_at_a_time_with_that_pause_and_the_others_go_on()
    {
        var sim = new QmgrSimulation(("slow_transport_rate_delay", "20s"))
        {
            Resolver = static r => new(new Resolution(r[..r.IndexOf('@')], r[(r.IndexOf('@') + 1)..], r, ResolveFlags.Default)),
        };
        var start = sim.Time.GetUtcNow();
        var times = new List<double>();
        sim.Deliver = request =>
        {
            if (request.Transport == "slow")
            {
                times.Add((sim.Time.GetUtcNow() - start).TotalSeconds);
            }
            return (TimeSpan.FromSeconds(1), QmgrSimulation.Ok(request));
        };
        for (var i = 0; i < 5; i++)
        {
            sim.Submit("a@b", $"slow@site{i}.example");
            sim.Submit("a@b", $"fast@site{i}.example");
        }
        sim.Run(TimeSpan.FromSeconds(2));
        Assert.Equal(5, sim.Requests.Count(r => r.Transport == "fast"));
        sim.Run(TimeSpan.FromMinutes(5));
        Assert.Equal([0, 21, 42, 63, 84], times);
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(long.MaxValue, sim.Qmgr.NextMicros);
    }

    [Fact]
    public void A_big_mailing_does_not_hold_up_a_single_message_for_the_same_destination()
    {
        var sim = new QmgrSimulation(("default_destination_recipient_limit", "10"));
        sim.Submit("list@b", [.. Enumerable.Range(0, 5000).Select(i => $"u{i}@one.example")]);
        var single = sim.Submit("a@b", "me@one.example");
        sim.Run(TimeSpan.FromMilliseconds(100));
        Assert.DoesNotContain(single, sim.Spool.Ids);
    }

    [Fact]
    public void The_active_queue_never_exceeds_its_limit_and_all_mail_gets_its_turn()
    {
        var sim = new QmgrSimulation(("qmgr_message_active_limit", "50"));
        var most = 0;
        sim.Deliver = request =>
        {
            most = Math.Max(most, sim.Qmgr.Active.Count);
            return (TimeSpan.FromMilliseconds(20), QmgrSimulation.Ok(request));
        };
        for (var i = 0; i < 2000; i++)
        {
            sim.Submit("a@b", $"u@d{i % 10}.example");
        }
        sim.Run(TimeSpan.FromMinutes(10));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(50, most);
    }

    [Fact]
    public void Thousands_of_destinations_are_served_side_by_side_in_virtual_time()
    {
        var sim = new QmgrSimulation();
        var random = new Random(7);
        var slow = Enumerable.Range(0, 3000).Where(i => i % 100 == 0).Select(i => $"d{i}.example").ToHashSet();
        var delivered = new Dictionary<string, double>();
        var start = sim.Time.GetUtcNow();
        sim.Deliver = request =>
        {
            var takes = slow.Contains(request.Nexthop) ? TimeSpan.FromSeconds(300) : TimeSpan.FromMilliseconds(20 + random.Next(200));
            delivered[request.Nexthop] = (sim.Time.GetUtcNow() - start + takes).TotalSeconds;
            return (takes, slow.Contains(request.Nexthop) ? QmgrSimulation.Unreachable(request) : QmgrSimulation.Ok(request));
        };
        for (var i = 0; i < 12_000; i++)
        {
            sim.Submit("a@b", $"u{i}@d{i % 3000}.example");
        }
        sim.Run(TimeSpan.FromMinutes(20));
        Assert.Equal(120, sim.Spool.Ids.Count);
        var others = delivered.Where(d => !slow.Contains(d.Key)).Max(d => d.Value);
        Assert.True(others < 60, $"a fast destination waited {others} s for the slow ones");
        sim.Deliver = static request => (TimeSpan.FromMilliseconds(50), QmgrSimulation.Ok(request));
        sim.Run(TimeSpan.FromHours(3));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(0, sim.Qmgr.Scheduler.DestinationCount);
    }

    [Fact]
    public void Flush_by_destination_asks_the_index()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        sim.Submit("a@b", "u@one.example");
        sim.Submit("a@b", "u@two.example");
        sim.Submit("a@b", "u@one.example", "v@three.example");
        sim.Run(TimeSpan.FromSeconds(1));
        sim.Requests.Clear();
        var place = 0;
        while (sim.Qmgr.FlushSite("ONE.example", ref place))
        {
        }
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(["one.example", "one.example", "three.example"], sim.Requests.Select(r => r.Nexthop).Order());
        sim.Requests.Clear();
        sim.Qmgr.Flush();
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(4, sim.Requests.Count);
    }

    [Fact]
    public void A_flush_of_more_than_fits_tries_each_message_once()
    {
        var sim = new QmgrSimulation(("qmgr_message_active_limit", "3"));
        sim.Deliver = static request => (TimeSpan.FromSeconds(1), QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        for (var i = 0; i < 20; i++)
        {
            sim.Submit("a@b", $"u@site{i}.example");
        }
        sim.Run(TimeSpan.FromSeconds(30));
        sim.Requests.Clear();
        sim.Qmgr.Flush();
        sim.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"site{i}.example").Order(), sim.Requests.Select(r => r.Nexthop).Order());
    }

    [Fact]
    public void The_active_queue_stays_within_its_limit()
    {
        var sim = new QmgrSimulation(("qmgr_message_active_limit", "3"));
        for (var i = 1UL; i <= 20; i++)
        {
            sim.Spool.End(i, new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("u@one.example")] }, i % 2 == 0 ? QueueState.Deferred : QueueState.Incoming);
        }
        sim.Spool.Commit(true);
        Assert.False(sim.Qmgr.Fill());
        Assert.Equal(3, sim.Qmgr.Active.Count);
        Assert.False(sim.Qmgr.Fill());
        Assert.Single(sim.Log.Lines, "postfix/qmgr: warning: mail for the active queue waits: qmgr_message_active_limit is reached");
        sim.Run(TimeSpan.FromMinutes(1));
        Assert.Empty(sim.Spool.Ids);
        sim.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.False(sim.Qmgr.Fill());
        Assert.Single(sim.Log.Lines, l => l.Contains("is reached", StringComparison.Ordinal));
    }

    [Fact]
    public void A_long_queue_becomes_active_a_little_at_a_time()
    {
        var sim = new QmgrSimulation();
        for (var i = 1UL; i <= 1000; i++)
        {
            sim.Spool.End(i, new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("u@one.example")] }, QueueState.Deferred);
        }
        sim.Spool.Commit(true);
        Assert.True(sim.Qmgr.Fill());
        Assert.InRange(sim.Qmgr.Active.Count, 1, 200);
        sim.Run(TimeSpan.FromMinutes(1));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_deleted_message_is_not_sent_and_the_others_of_its_destination_are()
    {
        var sim = new QmgrSimulation(("default_destination_concurrency_limit", "1"), ("default_destination_rate_delay", "1s"));
        var ids = Enumerable.Range(0, 3000).Select(i => sim.Submit("a@b", $"u{i}@one.example")).ToList();
        sim.Turn();
        foreach (var id in ids.Skip(1).SkipLast(2))
        {
            Assert.True(sim.Qmgr.Super(SuperOperation.Delete, id));
        }
        sim.Run(TimeSpan.FromMinutes(1));
        Assert.Equal([ids[0], ids[^2], ids[^1]], sim.Requests.Select(r => r.MessageId));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void Orders_of_an_operator_hold_release_expire_and_delete()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.FromSeconds(5), QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        var held = sim.Submit("a@b", "u@one.example");
        var deleted = sim.Submit("a@b", "u@one.example");
        var expired = sim.Submit("a@b", "u@two.example");
        sim.Turn();
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, held));
        Assert.True(sim.Qmgr.Super(SuperOperation.Delete, deleted));
        Assert.True(sim.Qmgr.Super(SuperOperation.Expire, expired));
        Assert.False(sim.Qmgr.Super(SuperOperation.Delete, 999));
        sim.Run(TimeSpan.FromHours(6));
        Assert.Equal([held], sim.Spool.Ids);
        Assert.True(sim.Spool.TryGet(held, out var entry) && entry.State == QueueState.Hold);
        Assert.Single(sim.Reports, r => r.MessageId == expired);
        Assert.True(sim.Qmgr.Super(SuperOperation.Release, held));
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Ok(request));
        // Released mail waits for queue_run_delay.
        sim.Run(TimeSpan.FromSeconds(299));
        Assert.Equal([held], sim.Spool.Ids);
        sim.Run(TimeSpan.FromSeconds(2));
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_delay_warning_is_sent_once()
    {
        var sim = new QmgrSimulation(("delay_warning_time", "1h"));
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromHours(12));
        Assert.Equal(ReportKind.Delay, Assert.Single(sim.Reports).Kind);
    }

    [Theory]
    [InlineData("no", DsnNotify.None, 0)]
    [InlineData("yes", DsnNotify.None, 1)]
    [InlineData("yes", DsnNotify.Delay, 1)]
    [InlineData("yes", DsnNotify.Failure, 0)]
    public void Who_was_told_of_a_delay_may_hear_that_it_is_over(string confirm, DsnNotify notify, int told)
    {
        var sim = new QmgrSimulation(("delay_warning_time", "1h"), ("confirm_delay_cleared", confirm));
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Fail(request, DeliveryStatus.Deferred(2, 0, "busy")));
        sim.Submit(new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("u@one.example", Notify: notify)] });
        sim.Run(TimeSpan.FromHours(12));
        Assert.Equal(ReportKind.Delay, Assert.Single(sim.Reports).Kind);
        sim.Deliver = static request => (TimeSpan.Zero, QmgrSimulation.Ok(request));
        sim.Run(TimeSpan.FromHours(2));
        Assert.Equal(told, sim.Reports.Count(r => r.Kind == ReportKind.Success));
        Assert.All(sim.Reports.Skip(1), r => Assert.Equal(DsnAction.Relayed, r.Recipients[0].Status.Action));
        Assert.Equal(confirm == "yes", (sim.Requests[^1].Flags & DeliveryFlags.ConfirmsDelay) != 0);
        Assert.Equal(DeliveryFlags.None, sim.Requests[0].Flags & DeliveryFlags.ConfirmsDelay);
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData("5d", false)]
    [InlineData("6d", true)]
    public void Reports_that_would_outlive_mail_are_told(string lifetime, bool told) =>
        Assert.Equal(told, new QmgrSimulation(("maximal_queue_lifetime", "5d"), ("bounce_queue_lifetime", lifetime)).Log.Lines.Any(line =>
            line.EndsWith("warning: bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime", StringComparison.Ordinal)));

    [Fact]
    public void Mail_in_time_is_no_reason_to_confirm_anything()
    {
        var sim = new QmgrSimulation(("delay_warning_time", "1h"), ("confirm_delay_cleared", "yes"));
        sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Empty(sim.Reports);
        Assert.Empty(sim.Spool.Ids);
    }

    [Theory]
    [InlineData("local", "smtp one.example, local one.example")]
    [InlineData("pipe:there", "smtp one.example, pipe there")]
    [InlineData("", "smtp one.example, error 5.4.6 mail for one.example loops back to myself")]
    [InlineData("smtp", "smtp one.example, error 5.4.6 mail for one.example loops back to myself")]
    [InlineData("smtp:two.example", "smtp one.example, smtp two.example, error 5.4.6 mail for two.example loops back to myself")]
    public void Mail_that_loops_goes_to_best_mx_transport_once(string transport, string ways)
    {
        var sim = new QmgrSimulation(("best_mx_transport", transport));
        sim.Deliver = static request => (TimeSpan.Zero, request.Transport == "smtp" ? new DeliveryResult(request.RequestId, [], Loops: true) : QmgrSimulation.Ok(request));
        sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(ways, string.Join(", ", sim.Requests.Select(r => $"{r.Transport} {r.Nexthop}")));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(transport is "" or "smtp" ? 0 : 1, sim.Log.Lines.Count(l => l.EndsWith($"passing <u@one.example> to transport={transport.Split(':')[0]}", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_message_the_disk_refuses_to_read_is_tried_again_after_the_minimal_back_off()
    {
        var sim = new QmgrSimulation(("minimal_backoff_time", "300s"));
        sim.Spool.Refusing.Add(1);
        var id = sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.Empty(sim.Requests);
        Assert.Contains($"postfix/qmgr: warning: {QueueId.Format(id, false)}: the disk refuses to read it for now: tried again in 300 seconds", sim.Log.Lines);
        sim.Spool.Refusing.Clear();
        sim.Run(TimeSpan.FromSeconds(298));
        Assert.Empty(sim.Requests);
        sim.Run(TimeSpan.FromSeconds(3));
        Assert.Single(sim.Requests);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void Damaged_content_is_put_aside()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => (TimeSpan.Zero, new DeliveryResult(request.RequestId, [], Damaged: true));
        var id = sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(1));
        Assert.True(sim.Spool.TryGet(id, out var entry) && entry.State == QueueState.Corrupt);
    }

    [Fact]
    public void What_became_of_recipients_before_the_damage_was_met_is_kept()
    {
        var sim = new QmgrSimulation();
        sim.Deliver = static request => request.Nexthop switch
        {
            "late.example" => (TimeSpan.FromSeconds(5), QmgrSimulation.Ok(request)),
            "good.example" => (TimeSpan.FromSeconds(1), QmgrSimulation.Ok(request)),
            _ => (TimeSpan.FromSeconds(2), new DeliveryResult(request.RequestId, [new RecipientResult(request.Recipients[0].Index, DeliveryStatus.Bounced(1, 1, "no"))], Damaged: true)),
        };
        var id = sim.Submit("a@b", "u@good.example", "v@damaged.example", "w@damaged.example", "x@late.example", "y@damaged.example");
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.True(sim.Spool.TryGet(id, out var entry) && entry.State == QueueState.Corrupt);
        Assert.Equal(
            [(0, true, false), (1, true, true), (3, true, false)],
            sim.Spool.Read(id)!.Outcomes.OrderBy(o => o.Recipient).Select(o => (o.Recipient, o.Done, o.Unreported)));
        Assert.Single(sim.Log.Lines, l => l.Contains("content is damaged on disk", StringComparison.Ordinal));
        Assert.Empty(sim.Qmgr.Active);
        // One notice, when the last delivery has ended; who got the message is not in it.
        var notice = Assert.Single(sim.Reports);
        Assert.Equal((ReportKind.Damage, false), (notice.Kind, notice.Closes));
        Assert.Equal(
            [(1, "no"), (2, "message content is damaged on disk: put aside in the corrupt queue"), (4, "message content is damaged on disk: put aside in the corrupt queue")],
            notice.Recipients.Select(r => (r.Index, r.Status.Reason)));
    }

    [Theory]
    [InlineData(ReportResult.TryAgain, 1)]
    [InlineData(ReportResult.Discarded, 0)]
    public void A_notice_of_damage_that_is_not_sent_is_told(ReportResult answer, int warnings)
    {
        var sim = new QmgrSimulation { ReportAnswer = answer };
        sim.Deliver = static request => (TimeSpan.Zero, new DeliveryResult(request.RequestId, [], Damaged: true));
        sim.Submit("a@b", "u@one.example");
        // The notice is made on a thread of its own, which knows nothing of the simulated time.
        for (var i = 0; i < 1000 && (sim.Reports.Count == 0 || sim.Log.Lines.Count(l => l.Contains("not told", StringComparison.Ordinal)) < warnings); i++)
        {
            sim.Run(TimeSpan.FromSeconds(1));
            Thread.Sleep(5);
        }
        sim.Run(TimeSpan.FromSeconds(10));
        Assert.Single(sim.Reports);
        Assert.Equal(warnings, sim.Log.Lines.Count(l => l.Contains("the postmaster was not told that it is in the corrupt queue", StringComparison.Ordinal)));
    }

    [Fact]
    public void Notices_of_damage_are_made_a_few_at_a_time_and_one_for_each_message()
    {
        var end = new TaskCompletionSource();
        var sim = new QmgrSimulation { ReportsEnd = end.Task };
        sim.Deliver = static request => (TimeSpan.Zero, new DeliveryResult(request.RequestId, [], Damaged: true));
        for (var i = 0; i < 50; i++)
        {
            sim.Submit("a@b", $"u@d{i}.example");
        }
        sim.Run(TimeSpan.FromSeconds(1));
        Until(() => sim.Reports.Count >= 20);
        Assert.Equal(20, sim.Reports.Count);
        end.SetResult();
        Until(() => sim.Reports.Count >= 50);
        sim.Run(TimeSpan.FromDays(1));
        Assert.Equal(Enumerable.Range(1, 50), sim.Reports.Select(r => (int)r.MessageId).Order());

        void Until(Func<bool> holds)
        {
            for (var i = 0; i < 1000 && !holds(); i++)
            {
                Thread.Sleep(5);
                sim.Turn();
            }
            Assert.True(holds());
        }
    }
}
