using System.IO.Pipelines;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Queue.Qmgr;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>A queue that starts while agents are at work for the one before it: nothing is sent twice, no outcome is lost.</summary>
public sealed class ElsewhereTests
{
    private static readonly DeliveryStatus Sent = DeliveryStatus.Sent("ok", DsnAction.None);

    [Fact]
    public void What_is_being_delivered_is_not_sent_again_and_its_result_counts()
    {
        var sim = new QmgrSimulation();
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, 1, [1]);
        sim.Qmgr.Elsewhere(delivery);
        var id = sim.Submit("a@b", "u@one.example", "v@two.example", "w@three.example");
        Assert.Equal(1UL, id);
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(["one.example", "three.example"], sim.Requests.Select(r => r.Nexthop).Order());
        Assert.Contains(id, sim.Spool.Ids);
        sim.Qmgr.EndedElsewhere(delivery, new DeliveryResult(delivery.Number, [new RecipientResult(1, Sent)]));
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.Empty(sim.Spool.Ids);
        Assert.Equal(2, sim.Requests.Count);
        Assert.Equal([delivery], sim.Qmgr.TakenElsewhere);
    }

    [Fact]
    public void What_died_with_its_agents_is_tried_again()
    {
        var sim = new QmgrSimulation();
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, 1, [0]);
        sim.Qmgr.Elsewhere(delivery);
        sim.Submit("a@b", "u@one.example");
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.Empty(sim.Requests);
        sim.Qmgr.EndedElsewhere(delivery, null);
        sim.Run(TimeSpan.FromSeconds(30));
        Assert.Single(sim.Requests);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void A_result_that_came_before_its_message_was_active_is_taken_in_with_it()
    {
        var sim = new QmgrSimulation(("qmgr_message_active_limit", "1"));
        sim.Deliver = static request => (TimeSpan.FromSeconds(20), QmgrSimulation.Ok(request));
        sim.Submit("a@b", "x@busy.example");
        sim.Run(TimeSpan.FromSeconds(1));
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, 2, [0]);
        sim.Qmgr.Elsewhere(delivery);
        sim.Submit("a@b", "u@one.example");
        sim.Qmgr.EndedElsewhere(delivery, new DeliveryResult(delivery.Number, [new RecipientResult(0, Sent)]));
        Assert.Single(sim.Qmgr.Active);
        sim.Run(TimeSpan.FromSeconds(60));
        Assert.Single(sim.Requests);
        Assert.Empty(sim.Spool.Ids);
    }

    [Fact]
    public void The_outcome_of_a_held_message_is_written_and_it_stays_held()
    {
        var sim = new QmgrSimulation();
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, 1, [0]);
        sim.Qmgr.Elsewhere(delivery);
        var id = sim.Submit("a@b", "u@one.example", "v@two.example");
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Run(TimeSpan.FromSeconds(5));
        sim.Qmgr.EndedElsewhere(delivery, new DeliveryResult(delivery.Number, [new RecipientResult(0, Sent)]));
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.True(sim.Spool.TryGet(id, out var entry) && entry.State == Facteur.Spool.QueueState.Hold);
        Assert.Equal([0], sim.Spool.Read(id)!.Outcomes.Where(o => o.Done).Select(o => o.Recipient));
        sim.Qmgr.Super(SuperOperation.Release, id);
        sim.Run(TimeSpan.FromMinutes(10));
        Assert.DoesNotContain(sim.Requests, r => r.Nexthop == "one.example");
        Assert.Empty(sim.Spool.Ids);
    }

    /// <summary>postsuper -r would send it to its recipient a second time.</summary>
    [Fact]
    public void A_held_message_is_not_quiet_while_it_is_being_delivered()
    {
        var sim = new QmgrSimulation();
        var id = sim.Submit("a@b", "u@one.example");
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.True(sim.Qmgr.Quiet(id));
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, id, [0]);
        sim.Qmgr.Elsewhere(delivery);
        Assert.False(sim.Qmgr.Quiet(id));
        sim.Qmgr.EndedElsewhere(delivery, new DeliveryResult(delivery.Number, [new RecipientResult(0, Sent)]));
        sim.Run(TimeSpan.FromSeconds(5));
        Assert.True(sim.Qmgr.Quiet(id));
        Assert.Equal([0], sim.Spool.Read(id)!.Outcomes.Where(o => o.Done).Select(o => o.Recipient));
    }

    [Theory]
    [InlineData("no", DsnNotify.None, MessageFlags.None, DeliveryOutcome.Sent, true, false)]
    [InlineData("no", DsnNotify.Success, MessageFlags.None, DeliveryOutcome.Sent, true, true)]
    [InlineData("no", DsnNotify.None, MessageFlags.ReportDeliveries, DeliveryOutcome.Sent, true, true)]
    [InlineData("no", DsnNotify.None, MessageFlags.None, DeliveryOutcome.Bounced, true, true)]
    [InlineData("yes", DsnNotify.None, MessageFlags.None, DeliveryOutcome.Bounced, false, false)]
    public void The_outcome_of_a_held_message_is_what_it_would_be_of_another(string soft, DsnNotify notify, MessageFlags flags, DeliveryOutcome outcome, bool done, bool unreported)
    {
        var sim = new QmgrSimulation(("soft_bounce", soft));
        var delivery = new ElsewhereDelivery(1UL << 63 | 1, 1, [0]);
        sim.Qmgr.Elsewhere(delivery);
        var id = sim.Submit(new Envelope { Sender = "a@b", Flags = flags, Recipients = [new("u@one.example", Notify: notify), new("v@two.example")] });
        Assert.True(sim.Qmgr.Super(SuperOperation.Hold, id));
        sim.Run(TimeSpan.FromSeconds(5));
        var status = outcome == DeliveryOutcome.Sent ? DeliveryStatus.Sent("ok", DsnAction.Relayed) : DeliveryStatus.Bounced(1, 1, "no");
        sim.Qmgr.EndedElsewhere(delivery, new DeliveryResult(delivery.Number, [new RecipientResult(0, status)]));
        sim.Run(TimeSpan.FromSeconds(5));
        var written = sim.Spool.Read(id)!.Outcomes.Where(o => o.Recipient == 0).ToArray();
        Assert.Equal(done ? [(true, unreported)] : [], written.Select(o => (o.Done, o.Unreported)));
    }

    [Fact]
    public void A_request_without_a_result_is_made_of_the_next_agents_and_given_up_when_they_die_of_it()
    {
        var sim = new QmgrSimulation();
        var agents = new AgentLink(sim.Qmgr, static () => { });
        sim.Submit("a@b", "u@one.example");
        sim.Qmgr.Fill();
        var request = sim.Qmgr.Next()!;
        var sent = new List<ulong>();
        agents.Send(request);
        for (var i = 0; i < 4; i++)
        {
            var (near, far) = PipePair.Create();
            agents.Attach(near);
            agents.Flush();
            sent.AddRange(Requests(far));
            far.Output.Complete();
            agents.Poll(10);
        }
        Assert.Equal([request.RequestId, request.RequestId, request.RequestId], sent);
        Assert.Equal(0, agents.UnderWay);
        Assert.Equal(2, sim.Log.Lines.Count(l => l.Contains("1 delivery is made again", StringComparison.Ordinal)));
        sim.Spool.Commit(true);
        Assert.True(sim.Spool.TryGet(1, out var entry) && entry.State == Facteur.Spool.QueueState.Deferred);
    }

    [Fact]
    public void What_dead_agents_had_still_said_counts()
    {
        var sim = new QmgrSimulation();
        var agents = new AgentLink(sim.Qmgr, static () => { });
        sim.Submit("a@b", "u@one.example");
        sim.Qmgr.Fill();
        var request = sim.Qmgr.Next()!;
        var (near, far) = PipePair.Create();
        agents.Attach(near);
        agents.Send(request);
        var writer = new LinkWriter(far.Output);
        writer.Write(DeliveryFrames.Result, DeliveryFrames.Version, request.RequestId, QmgrSimulation.Ok(request), DeliveryFrames.WriteResult);
        writer.Complete();
        var (next, after) = PipePair.Create();
        agents.Attach(next);
        agents.Flush();
        Assert.Empty(Requests(after));
        Assert.Equal(0, agents.UnderWay);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Agents_that_leave_end_what_they_have_and_only_what_they_did_not_end_goes_to_the_next(bool ends)
    {
        var sim = new QmgrSimulation();
        var agents = new AgentLink(sim.Qmgr, static () => { });
        sim.Submit("a@b", "u@one.example");
        sim.Qmgr.Fill();
        var first = sim.Qmgr.Next()!;
        var (near, far) = PipePair.Create();
        agents.Attach(near);
        agents.Send(first);
        agents.Flush();
        Assert.Equal([first.RequestId], Requests(far));
        var (next, after) = PipePair.Create();
        agents.Attach(next);
        sim.Submit("a@b", "v@two.example");
        sim.Qmgr.Fill();
        var second = sim.Qmgr.Next()!;
        agents.Send(second);
        agents.Flush();
        agents.Poll(10);
        var reader = new LinkReader(after.Input, static () => { });
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal((DeliveryFrames.Deliver, second.RequestId), (frame.Type, frame.Id));
        Assert.False(reader.TryRead(out _));
        Assert.Equal(2, agents.UnderWay);
        var writer = new LinkWriter(far.Output);
        if (ends)
        {
            writer.Write(DeliveryFrames.Result, DeliveryFrames.Version, first.RequestId, QmgrSimulation.Ok(first), DeliveryFrames.WriteResult);
        }
        writer.Complete();
        agents.Poll(10);
        agents.Flush();
        Assert.Equal(ends ? 1 : 2, agents.UnderWay);
        Assert.Equal(!ends, reader.TryRead(out frame) && frame.Id == first.RequestId);
    }

    [Fact]
    public void Deliveries_of_two_roles_with_the_same_number_end_each_by_itself()
    {
        const ulong number = 1UL << 63 | 1;
        var sim = new QmgrSimulation();
        AgentLink[] links = [new(sim.Qmgr, static () => { }), new(sim.Qmgr, static () => { })];
        var writers = new LinkWriter[2];
        for (var i = 0; i < 2; i++)
        {
            var (near, far) = PipePair.Create();
            links[i].Attach(near);
            writers[i] = new LinkWriter(far.Output);
            writers[i].Write(DeliveryFrames.UnderWay, DeliveryFrames.Version, number, (ulong)i + 1, static (ulong message, ref FieldWriter writer) =>
            {
                writer.UInt64(message);
                writer.Length(1);
                writer.Length(0);
            });
            writers[i].Flush();
            links[i].Poll(10);
        }
        sim.Submit("a@b", "u@one.example");
        sim.Submit("a@b", "v@two.example");
        for (var i = 0; i < 2; i++)
        {
            writers[i].Write(DeliveryFrames.Replayed, DeliveryFrames.Version, number, new DeliveryResult(number, [new RecipientResult(0, Sent)]), DeliveryFrames.WriteResult);
            writers[i].Flush();
            links[i].Poll(10);
            sim.Run(TimeSpan.FromSeconds(1));
            // As the engine does: all that is written is told to both.
            foreach (var link in links)
            {
                link.Written(sim.Qmgr.TakenElsewhere);
            }
            sim.Qmgr.TakenElsewhere.Clear();
        }
        Assert.Empty(sim.Requests);
        Assert.Empty(sim.Spool.Ids);
    }

    private static List<ulong> Requests(IDuplexPipe far)
    {
        var ids = new List<ulong>();
        var reader = new LinkReader(far.Input, static () => { });
        while (reader.TryRead(out var frame))
        {
            if (frame.Type == DeliveryFrames.Deliver)
            {
                ids.Add(frame.Id);
            }
        }
        return ids;
    }
}
