using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Server;
using Facteur.Spool;

namespace Facteur.Services.Deliver.Local;

/// <summary>Addresses that a recipient's mail is sent on to: one new message per sender, so that each address has its own record in the queue.</summary>
internal sealed class LocalForwards(LocalRooms rooms, DeliveryRequest request, EnvelopeRecipient original)
{
    private readonly Dictionary<(string Sender, string DeliveredTo), List<EnvelopeRecipient>> _messages = [];

    /// <summary>Whether there is nothing to send.</summary>
    public bool IsEmpty => _messages.Count == 0;

    /// <summary>Adds an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="target">Whose expansion it is.</param>
    public void Add(string address, LocalTarget target)
    {
        var sender = Sender(target);
        if (!_messages.TryGetValue((sender, target.DeliveredTo), out var list))
        {
            _messages.Add((sender, target.DeliveredTo), list = []);
        }
        // RFC 3461 5.2.7.3: a mailing list, whose sender is its owner, tells nothing of the original recipient. Postfix: NOTIFY, ENVID and RET go on.
        list.Add(target.Owner is not null
            ? new EnvelopeRecipient(address, Notify: target.Notify)
            : new EnvelopeRecipient(
                address, original.OriginalAddress.Length > 0 ? original.OriginalAddress : original.Address, original.DsnOriginalRecipient,
                target.Notify));
    }

    /// <summary>The sender of what a destination gets. Postfix: a list's owner also where there was none.</summary>
    public string Sender(LocalTarget target) => target.Owner ?? request.Envelope.Sender;

    /// <summary>Sends the messages, up to one that must wait: all are sent again then. A status for each.</summary>
    public async ValueTask<(List<DeliveryStatus> Statuses, bool Damaged)> SendAsync(MessageContent content, CancellationToken cancel)
    {
        var statuses = new List<DeliveryStatus>();
        foreach (var ((sender, deliveredTo), recipients) in _messages)
        {
            using var message = rooms.Resubmit.Begin(Envelope(sender, recipients));
            if (rooms.Settings.DeliveredIn.Contains("forward"))
            {
                await message.WriteAsync(Encoding.UTF8.GetBytes($"Delivered-To: {deliveredTo.ToLowerInvariant()}\n"), cancel).ConfigureAwait(false);
            }
            content.Rewind();
            ContentRead read;
            while (true)
            {
                (read, var piece) = await rooms.Threads.RunAsync(() => (content.Read(out var next), next), cancel).ConfigureAwait(false);
                if (read != ContentRead.Data)
                {
                    break;
                }
                await message.WriteAsync(piece, cancel).ConfigureAwait(false);
            }
            if (read != ContentRead.End)
            {
                var unread = MailboxResult.NotReadable(read == ContentRead.Damaged ? CopyEnd.Damaged : CopyEnd.Unreadable);
                statuses.Add(unread.Failure ?? DeliveryStatus.Deferred(3, 0, ""));
                return (statuses, unread.Damaged);
            }
            var status = Status(await message.EndAsync(cancel).ConfigureAwait(false));
            statuses.Add(status);
            if (status.Outcome == DeliveryOutcome.Deferred)
            {
                break;
            }
        }
        return (statuses, false);
    }

    private Envelope Envelope(string sender, List<EnvelopeRecipient> recipients)
    {
        var old = request.Envelope;
        return new Envelope
        {
            Sender = sender,
            ArrivalMicros = DeliveryTimes.Now(rooms.Time),
            EnvelopeId = old.EnvelopeId,
            Return = old.Return,
            // Postfix: whether it is 8-bit content is not passed on.
            Origin = MessageOrigin.Forward,
            Flags = old.Flags & (MessageFlags.SmtpUtf8 | MessageFlags.RewriteLocal),
            Client = old.Client with { Port = 0 },
            // Postfix: what is known of the client goes on, with the id by which its message came; its port, filter and redirection do not.
            Attributes = old.Attributes.With(MessageAttributes.Filter, "").With(MessageAttributes.Redirect, "").With(MessageAttributes.LogClientPort, "")
                .With(MessageAttributes.LogIdent, old.Attributes.Value(MessageAttributes.LogIdent, old.Origin == MessageOrigin.Smtpd ? request.QueueId : "")),
            Entry = request.Transport,
            Recipients = recipients,
        };
    }

    private static DeliveryStatus Status(ResubmitResult result) => result.Result.Status switch
    {
        CleanupStatus.Ok => DeliveryStatus.Sent($"forwarded as {result.QueueId}", DsnAction.Expanded),
        CleanupStatus.TooManyHops => DeliveryStatus.Bounced(4, 0, "too many hops"),
        CleanupStatus.TooLarge => DeliveryStatus.Bounced(3, 4, "message file too big"),
        CleanupStatus.Rejected => DeliveryStatus.Bounced(7, 1, result.Result.Text ?? "message content rejected"),
        _ => DeliveryStatus.Deferred(3, 0, "unable to forward mail"),
    };
}
