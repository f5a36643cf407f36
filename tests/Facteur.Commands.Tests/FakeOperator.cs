using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Commands.Tests;

/// <summary>A queue of a few messages that does what postsuper asks.</summary>
internal sealed class FakeOperator : IQueueOperator
{
    public List<ListedMessage> Messages { get; } = [];

    public List<string> Calls { get; } = [];

    public Envelope Envelope { get; set; } = new();

    public string Content { get; set; } = "";

    public ControlException? Refuses { get; set; }

    public ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel)
    {
        Refuse();
        // One message a page, so that pages are seen to be put together.
        return new(([.. Messages.Skip((int)cursor).Take(1)], (int)cursor + 1 >= Messages.Count ? ulong.MaxValue : cursor + 1));
    }

    public ValueTask FlushAsync(CancellationToken cancel) => Call("flush");

    public async ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel)
    {
        await Call($"flush {id:X}");
        return Find(id) is not null;
    }

    public ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => Call($"flush {domain}");

    public ValueTask KickAsync(CancellationToken cancel) => Call("kick");

    public ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel)
    {
        Refuse();
        return new(Find(id) is { } message && Apply(operation, message));
    }

    public ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel) =>
        new(Messages.ToList().Count(m => (queueName is null || m.QueueName == queueName) && Apply(operation, m)));

    public ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel) =>
        new(Find(id) is { } m ? new QueuedMessage(id, m.QueueName, m.QueueId, Envelope, [], new ContentLayout([])) : null);

    public async ValueTask<bool> CopyAsync(QueuedMessage message, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancel)
    {
        foreach (var piece in Encoding.Latin1.GetBytes(Content).Chunk(7))
        {
            await sink(piece);
        }
        return true;
    }

    public void Dispose()
    {
    }

    private ListedMessage? Find(ulong id) => Messages.Find(m => QueueId.TryParse(m.QueueId, out var number) && number == id);

    private bool Apply(SuperOperation operation, ListedMessage message)
    {
        var changed = (operation, message.QueueName) switch
        {
            (SuperOperation.Hold, not "hold") => message with { QueueName = "hold" },
            (SuperOperation.Release, "hold") => message with { QueueName = "deferred" },
            (SuperOperation.Expire, _) when !message.ForcedExpire => message with { ForcedExpire = true },
            (SuperOperation.Requeue, _) => message with { QueueName = "incoming" },
            _ => null,
        };
        if (changed is null && operation != SuperOperation.Delete)
        {
            return false;
        }
        var at = Messages.IndexOf(message);
        Messages.RemoveAt(at);
        if (changed is not null)
        {
            Messages.Insert(at, changed);
        }
        return true;
    }

    private ValueTask Call(string text)
    {
        Refuse();
        Calls.Add(text);
        return default;
    }

    private void Refuse()
    {
        if (Refuses is not null)
        {
            throw Refuses;
        }
    }
}
