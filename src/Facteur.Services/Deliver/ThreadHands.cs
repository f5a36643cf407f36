using System.Runtime.InteropServices;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// All in this process: files on own threads that take the user's file identity, commands in a child that becomes the user. Run by another user
/// than root it does everything, and can only do it, as that user.
/// </summary>
/// <param name="threads">Threads for files.</param>
/// <param name="program">The child's program.</param>
/// <param name="time">The clock.</param>
internal sealed class ThreadHands(BlockingThreads threads, HelperProgram program, TimeProvider time) : IUserHands, IDisposable
{
    /// <summary>Most commands at once; more wait (Postfix: default_process_limit).</summary>
    private const int CommandLimit = 100;

    /// <summary>How long a child whose work is over may take to end.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    // A command may take its time, and shall not keep a thread that files need.
    private readonly BlockingThreads _commands = new("command", CommandLimit);

    /// <inheritdoc/>
    public bool CanChange => FileIdentity.CanChange;

    /// <inheritdoc/>
    public async ValueTask<FileRead> ReadAsync(UserIdentity who, string path, bool followLinks, CancellationToken cancel) => await threads.RunAsync(() =>
    {
        using var identity = FileIdentity.Take(who.Uid, who.Gid);
        return UserFile.Read(path, followLinks);
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<MailboxEnd> DeliverAsync(UserIdentity who, MailboxJob job, IContentSource content, CancellationToken cancel) => await threads.RunAsync(() =>
    {
        var (uid, gid) = job.SpoolDirectory.Length > 0 ? MailboxDelivery.Maker(job.SpoolDirectory, who) : (who.Uid, who.Gid);
        using var identity = FileIdentity.Take(uid, gid);
        return MailboxDelivery.Deliver(who.Uid, uid != who.Uid && FileIdentity.CanChange ? (who.Uid, who.Gid) : null, job, content, time);
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<CommandEnd> RunAsync(UserIdentity who, CommandJob job, IContentSource content, CancellationToken cancel) =>
        await _commands.RunAsync(() => Run(FileIdentity.CanChange ? (who.Uid, who.Gid) : (Libc.geteuid(), Libc.getegid()), who.Root, job, content), cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public void Dispose() => _commands.Dispose();

    /// <summary>A helper for this one command.</summary>
    private unsafe CommandEnd Run((uint Uid, uint Gid) who, string root, CommandJob job, IContentSource content)
    {
        if (DescriptorSocket.Pair(out var errno) is not var (starter, theirs))
        {
            return new CommandEnd(CommandEndKind.NotStarted, errno, "");
        }
        using (starter)
        {
            var nothing = Libc.open("/dev/null", Libc.O_WRONLY | Libc.O_CLOEXEC, 0);
            errno = ChildProcess.Start(
                program.Path, [.. program.Arguments, .. HelperProcess.Arguments(who.Uid, who.Gid, root)], HelperProgram.Environment, [theirs, nothing, nothing], out var pid);
            _ = Libc.close(theirs);
            _ = Libc.close(nothing);
            if (errno != 0)
            {
                return new CommandEnd(CommandEndKind.NotStarted, errno, $"local: fatal: {program.Path}: {Errno.Text(errno)} ");
            }
            var end = Converse(starter, job, content);
            starter.Dispose();
            // It ends when its starter is gone. One that its user's command has stopped (SIGSTOP) does not see that.
            for (var since = time.GetTimestamp(); !ChildProcess.HasEnded(pid, out _);)
            {
                if (time.GetElapsedTime(since) > EndLimit)
                {
                    _ = Libc.kill(pid, Libc.SIGKILL);
                }
                _ = Libc.poll(null, 0, 5);
            }
            return end;
        }
    }

    private static unsafe CommandEnd Converse(DescriptorSocket starter, CommandJob job, IContentSource content)
    {
        int* pair = stackalloc int[2];
        if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) < 0)
        {
            return new CommandEnd(CommandEndKind.NotStarted, Marshal.GetLastPInvokeError(), "");
        }
        using var session = new HelperSession(new HelperLink(UnixFile.Own(pair[0])));
        var errno = starter.Send([(byte)HelperMessage.Session], pair[1]);
        _ = Libc.close(pair[1]);
        return errno == 0 ? session.Run(job, content) : new CommandEnd(CommandEndKind.NotStarted, errno, "");
    }
}
