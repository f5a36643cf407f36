using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Unix;

namespace Facteur.Services.Receive.Pickup;

/// <summary>
/// What postsuper -r sends round again. Postfix moves it to maildrop, from where pickup takes it with the rights of the queue's owner: it is logged
/// and gets a Received: header as mail of that user. All other mail passes to cleanup as it is.
/// </summary>
/// <param name="cleanup">Where mail goes.</param>
/// <param name="config">The configuration of the pickup entry; asked for each message that is requeued.</param>
/// <param name="log">The log of pickup.</param>
/// <param name="time">The clock.</param>
public sealed class RequeuedMail(ICleanup cleanup, Func<IConfig> config, Func<ServiceLog> log, TimeProvider time) : ICleanup
{
    /// <inheritdoc/>
    public async ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        var requeued = (envelope.Flags & MessageFlags.Requeued) != 0;
        var (sender, original) = (envelope.Sender, envelope.Closes?.MessageId ?? 0);
        var message = await cleanup.OpenAsync(envelope, cancel).ConfigureAwait(false);
        if (!requeued || message is null)
        {
            return message;
        }
        try
        {
            var values = config();
            var uid = Owner(values);
            PickupLog.Requeued(log(), message.QueueId, uid, sender, QueueId.Format(original, values.Get(CommonParameters.EnableLongQueueIds)));
            var received = $"Received: by {values.Get(CommonParameters.Myhostname)} ({values.Get(CommonParameters.MailName)}, from userid {uid})\n"
                + $"\tid {message.QueueId}; {MailDate.Format(time.GetUtcNow(), time.LocalTimeZone)}\n";
            await message.WriteAsync(Encoding.UTF8.GetBytes(received), cancel).ConfigureAwait(false);
            return message;
        }
        catch
        {
            await message.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static uint Owner(IConfig config) =>
        UserAccount.Find(config.Get(CommonParameters.MailOwner), out var account) == 0 && account is not null ? account.Uid : Libc.geteuid();
}
