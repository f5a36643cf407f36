using System.Runtime.CompilerServices;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Explain;
using Facteur.Tables;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// cleanup(8): completes and rewrites mail that enters, and hands it to the queue. Holds no state between messages; each message belongs to one
/// session at a time.
/// </summary>
public sealed class CleanupService : ICleanup
{
    private readonly IIncoming _incoming;
    private readonly TimeProvider _time;

    /// <summary>The service for one configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="incoming">The queue.</param>
    /// <param name="rewrite">trivial-rewrite.</param>
    /// <param name="tables">Opens tables.</param>
    /// <param name="addresses">Looks addresses up.</param>
    /// <param name="lists">Makes match lists.</param>
    /// <param name="log">The log of cleanup.</param>
    /// <param name="time">The clock.</param>
    /// <param name="contentTables">Opens the tables of header_checks and the like, whose keys are bytes; null for <paramref name="tables"/>.</param>
    /// <exception cref="ConfigException">A class list or form is not known.</exception>
    public CleanupService(
        IConfig config, IIncoming incoming, IRewrite rewrite, ITableSet tables, IAddressMaps addresses, IMatchLists lists, ServiceLog log, TimeProvider time,
        ITableSet? contentTables = null)
    {
        Options = new CleanupOptions(config, tables, contentTables ?? tables, lists);
        Log = new CleanupLog(log);
        _incoming = incoming;
        Rewrite = rewrite;
        Addresses = addresses;
        _time = time;
        Missing = new MissingHeaders(Options, Log, time.LocalTimeZone);
    }

    /// <summary>Is told what is done to addresses; null: nobody asks.</summary>
    public Explanation? Explanation { get; init; }

    internal CleanupOptions Options { get; }

    internal CleanupLog Log { get; }

    internal IRewrite Rewrite { get; }

    internal IAddressMaps Addresses { get; }

    internal MissingHeaders Missing { get; }

    internal TimeZoneInfo Zone => _time.LocalTimeZone;

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        var incoming = _incoming.Now;
        var id = await incoming.TakeIdAsync(cancel).ConfigureAwait(false);
        if (id == 0)
        {
            return null;
        }
        if (envelope.ArrivalMicros == 0)
        {
            envelope.ArrivalMicros = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        }
        var message = new CleanupMessage(this, incoming, id, envelope);
        try
        {
            await message.BeginAsync(cancel).ConfigureAwait(false);
        }
        catch
        {
            await message.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        return message;
    }
}
