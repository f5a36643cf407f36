using Facteur.Commands;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Root.Launcher;
using Facteur.Root.LocalParent;
using Facteur.Services.Deliver;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur;

/// <summary>The dispatch table: one row a name.</summary>
internal static class Names
{
    /// <summary>All names that ./build gives the executable.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "sendmail", "mailq", "newaliases", "rmail", "postfix", "postconf", "postmap", "postalias", "postqueue", "postsuper", "postcat", "postlog", "postdrop", "postkick", "postlock", "postmulti",
    ];

    /// <summary>Runs the command of a context's name.</summary>
    public static int Run(CommandContext context) => context.Name switch
    {
        "sendmail" => Sendmail.Run(context, Run, (smtp, config, cleanup) => StandAloneSession.Run(smtp, config, cleanup, new StandardStream(1))),
        "rmail" => Rmail.Run(context, Run),
        "mailq" => Mailq.Run(context, Access),
        "newaliases" => Newaliases.Run(context),
        "postfix" => Postfix.Run(context, (directory, single) => Daemon.Run(directory, background: false, single, context)),
        "master" => Daemon.Run(context),
        "launcher" => Launcher.Run(context.Arguments, context.Error),
        "role" => Daemon.Role(context),
        "plan" => Daemon.Plan(context),
        "postconf" => Postconf.Run(context),
        "postmap" => Postmap.Run(context),
        "postalias" => Postalias.Run(context),
        "postqueue" => Postqueue.Run(context, Access),
        "postsuper" => Super(context),
        "postcat" => Postcat.Run(context, new StandardStream(1), Access),
        "postlog" => Postlog.Run(context, config => MailLog.OfCommand(config, context.Time)),
        "postdrop" => Postdrop.Run(context),
        "postkick" => Postkick.Run(context, Access),
        "postlock" => Postlock.Run(context),
        "postmulti" => Postmulti.Run(context, (directory, words) => Postfix.Run(context with { Name = "postfix", Arguments = ["-c", directory, .. words] }, (d, single) => Daemon.Run(d, background: false, single, context))),
        "check" => CheckCommand.Run(context, load => CheckAnswer.Said(context, load)),
        "explain" => Explain.Run(context, question => ExplainAnswer.Run(context, question)),
        "spool" => SpoolCommand.Run(context, OpenSpool),
        LocalParent.Name => LocalParent.Run(context.Arguments),
        HelperProcess.Name => HelperProcess.Run(context.Arguments),
        "parameters" => ParametersCommand.Run(context),
        "names" => List(context),
        _ => Unknown(context),
    };

    private static QueueAccess Access { get; } = new(QueueAccess.RunningSystem.Connect, config =>
    {
        var queue = config.Get(CommonParameters.QueueDirectory);
        var journal = Path.Combine(queue, "journal");
        if (MasterLock.Holder(queue) != 0)
        {
            return null;
        }
        if (!Directory.Exists(journal))
        {
            // Before the first start; maildrop may hold mail already. Others than root and the queue's owner see no queue of a system that is down.
            return OwnsQueue(queue) ? new OfflineQueue(null, longIds: false, new MaildropDirectory(queue)) : null;
        }
        try
        {
            var longIds = config.Get(CommonParameters.EnableLongQueueIds);
            var options = new SpoolOptions { Directory = journal, TimedIds = longIds, LockWait = TimeSpan.FromSeconds(5), AllowNfs = config.Get(FacteurParameters.AllowQueueOnNfs) };
            BecomeOwner(options.Directory);
            return new OfflineQueue(Facteur.Spool.Spool.Open(options, new UnixDisk(), TimeProvider.System, new QuietEvents()), longIds, new MaildropDirectory(queue));
        }
        catch (SpoolException)
        {
            return null;
        }
    });

    private static bool OwnsQueue(string queue) =>
        UnixFile.Status(queue, followLinks: true, out var status) == 0 && (Libc.geteuid() == 0 || status.Uid == Libc.geteuid());

    /// <summary>
    /// Opening a spool makes files: root's must belong to the user who runs this instance. For the rest of the command this thread,
    /// which does all of its work, opens and makes files as the owner.
    /// </summary>
    private static void BecomeOwner(string directory)
    {
        if (UnixFile.Status(directory, followLinks: true, out var status) == 0)
        {
            _ = FileIdentity.Take(status.Uid, status.Gid);
        }
    }

    // Root may read and write all; what it makes in the journal belongs to the journal's owner.
    private static ISpool OpenSpool(IConfig config, string queue)
    {
        var journal = Path.Combine(queue, "journal");
        (uint, uint)? owner = UnixFile.Status(journal, followLinks: true, out var status) == 0 ? (status.Uid, status.Gid)
            : UserAccount.Find(config.Get(CommonParameters.MailOwner), out var user) == 0 && user is not null ? (user.Uid, user.Gid) : null;
        var options = new SpoolOptions { Directory = journal, TimedIds = config.Get(CommonParameters.EnableLongQueueIds), LockWait = TimeSpan.FromSeconds(5), AllowNfs = config.Get(FacteurParameters.AllowQueueOnNfs) };
        return Facteur.Spool.Spool.Open(options, new UnixDisk(Libc.geteuid() == 0 ? owner : null), TimeProvider.System, new QuietEvents());
    }

    private static int Super(CommandContext context)
    {
        MailLog? log = null;
        try
        {
            return Postsuper.Run(context, Access, config =>
            {
                // The log is not the instance's user's.
                using var own = FileIdentity.Own();
                return new ServiceLog(log = MailLog.Open(config, context.Time), $"{config.Get(CommonParameters.SyslogName)}/postsuper");
            });
        }
        finally
        {
            // Its last lines are written by a thread of its own.
            log?.Dispose();
        }
    }

    private static int List(CommandContext context)
    {
        foreach (var name in All)
        {
            context.Output.WriteLine(name);
        }
        return 0;
    }

    private static int Unknown(CommandContext context)
    {
        context.Error.WriteLine($"facteur: unknown name \"{context.Name}\"; expected one of: {string.Join(' ', All)}");
        return 64;
    }

    /// <summary>A command that opens the spool for a moment says nothing of its own; the next start logs what there is to say.</summary>
    private sealed class QuietEvents : ISpoolEvents
    {
        public void Sealed(uint segment, long goodOffset, int errno)
        {
        }

        public void Damage(ulong id, string place, string keptAs) => StandardStream.WriteError($"warning: spool: damage: {place}");

        public void Torn(uint segment, long from, long to)
        {
        }

        public void OnReserve()
        {
        }

        public void OffReserve()
        {
        }

        public void SlowCommit(TimeSpan duration)
        {
        }

        public void MaintenanceFailed(string what, int errno)
        {
        }

        public void Opened(long messages, long replayedBytes)
        {
        }
    }
}
