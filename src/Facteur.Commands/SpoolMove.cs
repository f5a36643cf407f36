using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Spool.Maildrop;
using Facteur.Spool.PostfixQueue;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>Moves all mail from the journal into a Postfix queue directory, or from there, or from another Facteur's journal, into the journal.</summary>
internal sealed class SpoolMove(CommandContext context, Func<IConfig, string, ISpool> open) : IPostfixQueueEvents
{
    private bool _longIds;
    private bool _exporting;

    /// <summary>Runs "export" or "import".</summary>
    /// <returns>0 when nothing is left behind.</returns>
    public int Run(string what, string? configDirectory, string place)
    {
        if (CommandConfig.Load(context, configDirectory, out var error) is not { } config)
        {
            return context.Fatal(error);
        }
        place = Path.GetFullPath(place);
        if (!Directory.Exists(place))
        {
            return context.Fatal($"{place}: no such directory");
        }
        var own = config.Get(CommonParameters.QueueDirectory);
        _longIds = config.Get(CommonParameters.EnableLongQueueIds);
        _exporting = what == "export";
        try
        {
            using var lockOfOwn = Lock(own);
            using var lockOfOther = IsSame(own, place) ? null : Lock(place);
            using var spool = open(config, own);
            return _exporting ? Export(config, spool, place) : Import(config, spool, own, place);
        }
        catch (Exception e) when (e is SpoolException or IOException or UnauthorizedAccessException)
        {
            return context.Fatal(e.Message);
        }
    }

    public void Moved(PostfixQueueFile file, ulong message)
    {
        var id = QueueId.Format(message, _longIds);
        context.Output.WriteLine(_exporting ? $"{id} -> {file}" : $"{file} -> {id}");
    }

    public void Left(string path, string why) => context.Warn($"{path}: {why}");

    private int Export(IConfig config, ISpool spool, string place)
    {
        var target = new PostfixQueueDirectory(place);
        new PostfixImport(target, spool, this).Settle();
        var export = new PostfixExport(target, spool, this, Options(config), context.Time);
        export.Run();
        return Sum("exported", export.Exported, export.Left);
    }

    private int Import(IConfig config, ISpool spool, string own, string place)
    {
        // Another Facteur's mail comes as Postfix's files: each of the two steps can be cut off anywhere and goes on.
        long left = 0;
        if (!IsSame(own, place) && Directory.Exists(Path.Combine(place, "journal")))
        {
            using var other = open(config, place);
            var target = new PostfixQueueDirectory(place);
            new PostfixImport(target, other, this).Settle();
            var export = new PostfixExport(target, other, new OnlyLeft(this), Options(config), context.Time);
            export.Run();
            left = export.Left;
        }
        var import = new PostfixImport(new PostfixQueueDirectory(place), spool, this);
        import.Run();
        if (!IsSame(own, place) && Directory.Exists(Path.Combine(place, "maildrop")))
        {
            // Not in the queue yet: its pickup would have given it addresses and headers of its own.
            foreach (var file in new MaildropDirectory(place).List(int.MaxValue))
            {
                Left(file.Path, $"waits for pickup: move it into {own}/maildrop to have it sent from here");
                left++;
            }
        }
        return Sum("imported", import.Imported, import.Left + left);
    }

    private int Sum(string what, long moved, long left)
    {
        context.Output.WriteLine($"{moved} message{(moved == 1 ? "" : "s")} {what}, {left} left");
        return left == 0 ? 0 : 1;
    }

    private static PostfixExportOptions Options(IConfig config) => new(
        config.Get(CommonParameters.EnableLongQueueIds), ListSyntax.Split(config.Get(CommonParameters.HashQueueNames)), (int)config.Get(CommonParameters.HashQueueDepth),
        (long)config.Get(QmgrParameters.DelayWarningTime).TotalSeconds, Libc.geteuid() == 0 ? Owner(config) : null);

    private static (uint Uid, uint Gid) Owner(IConfig config) =>
        UserAccount.Find(config.Get(CommonParameters.MailOwner), out var user) == 0 && user is not null ? (user.Uid, user.Gid)
            : throw new SpoolException($"mail_owner {config.Get(CommonParameters.MailOwner)} is not a user");

    private static MasterLock Lock(string queue) =>
        MasterLock.TryTake(queue, out var holder, out var error) ?? throw new SpoolException(error ?? $"a mail system runs on {queue}: process {holder}; stop it first");

    private static bool IsSame(string one, string other) =>
        UnixFile.Status(one, followLinks: true, out var a) == 0 && UnixFile.Status(other, followLinks: true, out var b) == 0 && (a.Device, a.Inode) == (b.Device, b.Inode);

    private sealed class OnlyLeft(SpoolMove move) : IPostfixQueueEvents
    {
        public void Moved(PostfixQueueFile file, ulong message)
        {
        }

        public void Left(string path, string why) => move.Left(path, why);
    }
}
