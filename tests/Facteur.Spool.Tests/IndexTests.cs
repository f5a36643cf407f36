using CsCheck;

namespace Facteur.Spool.Tests;

public sealed class IndexTests
{
    [Fact]
    public void An_index_arranged_at_once_is_the_one_grown_step_by_step() =>
        Gen.Select(Gen.ULong[1, 1000], Gen.UInt[0, 20], Gen.Int[1, 4]).Array[0, 300].Sample(messages =>
    {
        var (grown, arranged) = (new Index(), new Index());
        arranged.Reserve(messages.Length);
        foreach (var (id, due, state) in messages.DistinctBy(m => m.Item1))
        {
            var entry = new Entry { Id = id, Due = due, Arrival = due, State = (QueueState)state };
            grown.Add(entry);
            arranged.Add(entry with { Flags = Entry.ClaimedFlag });
        }
        arranged.Arrange();
        for (var slot = 1; slot < grown.SlotEnd; slot++)
        {
            Assert.Equal((grown[slot].Id, grown[slot].Left, grown[slot].Right, grown[slot].Flags),
                (arranged[slot].Id, arranged[slot].Left, arranged[slot].Right, arranged[slot].Flags));
        }
        for (var state = QueueState.Incoming; state <= QueueState.Corrupt; state++)
        {
            Assert.Equal(grown.After(state, 0, 0), arranged.After(state, 0, 0));
        }
    }, iter: 300);

    [Fact]
    public void The_index_is_a_sorted_set_of_messages() => Gen.Select(Gen.Int[0, 9], Gen.ULong[1, 200], Gen.UInt[0, 20]).Array[0, 600].Sample(steps =>
    {
        var index = new Index();
        var model = new SortedDictionary<ulong, (QueueState State, uint Due)>();
        foreach (var (what, id, due) in steps)
        {
            var slot = index.Find(id);
            Assert.Equal(model.ContainsKey(id), slot != 0);
            if (slot == 0)
            {
                index.Add(new Entry { Id = id, State = QueueState.Deferred, Due = due });
                model[id] = (QueueState.Deferred, due);
            }
            else if (what < 6)
            {
                index.Remove(slot);
                model.Remove(id);
            }
            else
            {
                var state = (QueueState)(what % 3 + 1);
                index.Move(slot, state, due);
                model[id] = (state, due);
            }
        }
        for (var state = QueueState.Incoming; state <= QueueState.Hold; state++)
        {
            var expected = model.Where(m => m.Value.State == state).OrderBy(m => state == QueueState.Deferred ? m.Value.Due : 0).ThenBy(m => m.Key).Select(m => m.Key);
            var seen = new List<ulong>();
            for (var slot = index.After(state, 0, 0); slot != 0; slot = index.After(state, index[slot].Key, index[slot].Id))
            {
                seen.Add(index[slot].Id);
            }
            Assert.Equal(expected, seen);
            Assert.Equal(seen.Count, index.CountOf(state));
        }
    }, iter: 300);
}
