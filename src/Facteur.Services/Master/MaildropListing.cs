using Facteur.Contracts;
using Facteur.Spool.Maildrop;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Services.Master;

/// <summary>The queue's listing with what still waits in maildrop in front, as Postfix's mailq shows it, and Postfix's files that could not be imported.</summary>
internal sealed class MaildropListing(IQueueControl queue, string queueDirectory) : IQueueControl
{
    private const int FileLimit = 1000;
    private readonly MaildropDirectory _maildrop = new(queueDirectory);
    private readonly PostfixQueueDirectory _postfix = new(queueDirectory);

    public async ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel)
    {
        var (messages, next) = await queue.ListAsync(cursor, limit, cancel).ConfigureAwait(false);
        return (cursor == 0 ? [.. Waiting(), .. messages] : messages, next);
    }

    public ValueTask FlushAsync(CancellationToken cancel) => queue.FlushAsync(cancel);

    public ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel) => queue.FlushMessageAsync(id, cancel);

    public ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => queue.FlushSiteAsync(domain, cancel);

    public ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel) => queue.SuperAsync(operation, id, cancel);

    public ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel) => queue.SuperAllAsync(operation, queueName, cancel);

    private List<ListedMessage> Waiting()
    {
        List<ListedMessage> list = [.. _maildrop.Waiting(FileLimit).Select(w => new ListedMessage("maildrop", w.Entry.Name, w.Seconds, w.Size, false,
            w.Message is null ? "(not yet read by pickup)" : w.Message.Sender.Length > 0 ? w.Message.Sender : "MAILER-DAEMON",
            [.. (w.Message?.Recipients ?? []).Select(r => new ListedRecipient(r.Address, "", null, false))]))];
        try
        {
            list.AddRange(_postfix.Left(FileLimit).Select(left =>
                new ListedMessage(left.File.Queue, left.File.Name, left.Status.Modified.Seconds, left.Status.Size, false, "(of Postfix; not imported, see the log)", [])));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not readable: the rest of the listing is still worth having.
        }
        return list;
    }
}
