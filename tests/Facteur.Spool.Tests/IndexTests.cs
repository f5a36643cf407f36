using CsCheck;

namespace Facteur.Spool.Tests;

public sealed class IndexTests
{
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
