using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Services.Master;

/// <summary>Mail that Postfix left in the queue directory, taken into the journal at start: once it is open, before anything is delivered.</summary>
internal sealed class PostfixMail : IPostfixQueueEvents
{
    // Of a long list the first say what is wrong; mailq shows all.
    private const int LineLimit = 100;

    private readonly ServiceLog _log;
    private readonly bool _longIds;
    private long _left;

    private PostfixMail(ServiceLog log, bool longIds) => (_log, _longIds) = (log, longIds);

    /// <summary>Imports it.</summary>
    /// <param name="spool">The journal.</param>
    /// <param name="queueDirectory">queue_directory.</param>
    /// <param name="log">Hears of each message.</param>
    /// <param name="longIds">enable_long_queue_ids.</param>
    /// <exception cref="SpoolException">The disk can't be trusted to keep a message in one place.</exception>
    public static void Import(ISpool spool, string queueDirectory, ServiceLog log, bool longIds)
    {
        var import = new PostfixImport(new PostfixQueueDirectory(queueDirectory), spool, new PostfixMail(log, longIds));
        import.Run();
        if (import.Imported > 0)
        {
            log.Info($"spool: {import.Imported} message{(import.Imported == 1 ? "" : "s")} imported from Postfix's queue");
        }
        if (import.Left > 0)
        {
            log.Warning($"spool: {import.Left} message{(import.Left == 1 ? "" : "s")} of Postfix's queue could not be imported and are not delivered: see the lines before, and mailq");
        }
    }

    public void Moved(PostfixQueueFile file, ulong message) => _log.Info($"spool: imported {file} -> {QueueId.Format(message, _longIds)}");

    public void Left(string path, string why)
    {
        if (_left++ < LineLimit)
        {
            _log.Info($"spool: not imported: {path}: {why}");
        }
    }
}
