using System.Buffers.Binary;
using System.Text;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// In processes: local's parent, which is root, hands out sockets of helpers that are the user. All that goes to it is a fixed request
/// that names where an identity is found (docs/formats/local.md). While there is no parent, mail waits.
/// </summary>
internal sealed class ParentHands : IUserHands, IDisposable
{
    /// <summary>Bytes of a request.</summary>
    public const int RequestLength = HeaderLength + TextLength;

    /// <summary>Most sessions at once: the parent's helpers.</summary>
    private const int SessionLimit = 64;

    private const byte Version = 1;
    private const int HeaderLength = 20;
    private const int TextLength = 4096;
    private const int AnswerLength = 8;

    // Each has a thread: what a helper does takes its time.
    private readonly BlockingThreads _threads = new("helper", SessionLimit);
    private readonly Lock _gate = new();
    private readonly byte[] _answer = new byte[DescriptorSocket.MessageLimit];
    private DescriptorSocket? _parent;

    /// <summary>What the parent is asked for.</summary>
    private enum Work : byte
    {
        User = 1,
        Spool = 2,
    }

    /// <inheritdoc/>
    public bool CanChange => true;

    /// <summary>A parent came; the one before is gone.</summary>
    public void Attach(DescriptorSocket parent)
    {
        lock (_gate)
        {
            _parent?.Dispose();
            _parent = parent;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<FileRead> ReadAsync(UserIdentity who, string path, bool followLinks, CancellationToken cancel) => await _threads.RunAsync(() =>
    {
        using var session = Ask(Work.User, who, null, out var errno, out _);
        // That the parent is gone says nothing about the file: who took it for missing would pass over a user's .forward.
        return session?.Read(path, followLinks) ?? new FileRead(errno is Libc.ECONNRESET or Libc.EPIPE or Libc.ENOTCONN or Libc.EPROTO ? Libc.EAGAIN : errno, false, 0, 0, null);
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<MailboxEnd> DeliverAsync(UserIdentity who, MailboxJob job, IContentSource content, CancellationToken cancel) => await _threads.RunAsync(() =>
    {
        using var session = Ask(job.SpoolDirectory.Length > 0 ? Work.Spool : Work.User, who, job, out var errno, out var ofMailbox);
        return session?.Deliver(job, content) ?? new MailboxEnd(ofMailbox ? Refused(job, errno) : new MailboxResult(NotGranted(who, errno)), []);
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<CommandEnd> RunAsync(UserIdentity who, CommandJob job, IContentSource content, CancellationToken cancel) => await _threads.RunAsync(() =>
    {
        using var session = Ask(Work.User, who, null, out var errno, out _);
        return session?.Run(job, content) ?? new CommandEnd(CommandEndKind.NotStarted, errno, "");
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public void Dispose()
    {
        _threads.Dispose();
        lock (_gate)
        {
            _parent?.Dispose();
            _parent = null;
        }
    }

    private static DeliveryStatus NotGranted(UserIdentity who, int errno) => errno == Libc.EPERM
        ? DeliveryStatus.Deferred(3, 5, $"mail system configuration error: nothing is delivered in the name of {who}")
        : DeliveryStatus.Deferred(3, 0, $"no delivery process for {who}: {Errno.Text(errno)}");

    /// <summary>The parent made, or would have made, mailbox and lock file; the texts are those of <see cref="Mbox"/>.</summary>
    private static MailboxResult Refused(MailboxJob job, int errno) => errno switch
    {
        Libc.EEXIST => MailboxResult.Failed(errno, 4, $"unable to create lock file {job.Path}.lock") with { Locked = true },
        Libc.EMLINK => new MailboxResult(DeliveryStatus.Bounced(2, 0, "file has several hard links")),
        Libc.EPERM => new MailboxResult(DeliveryStatus.Deferred(2, 0, $"destination {job.Path} is not owned by recipient")),
        Libc.EISDIR => new MailboxResult(DeliveryStatus.Bounced(2, 0, "destination is not a regular file")),
        _ => MailboxResult.Failed(errno, job.ErrorClass, "cannot open file"),
    };

    private HelperSession? Ask(Work work, UserIdentity who, MailboxJob? job, out int errno, out bool ofMailbox)
    {
        ofMailbox = false;
        if (!Request(work, who, job, out var message))
        {
            errno = Libc.ENAMETOOLONG;
            return null;
        }
        lock (_gate)
        {
            // One question at a time. While all helpers are busy the answer waits for one of them.
            errno = _parent is null ? Libc.ECONNRESET : _parent.Send(message, -1);
            if (errno != 0)
            {
                Forget();
                return null;
            }
            if (_parent!.Receive(_answer, out var descriptor, wait: true, out errno) != AnswerLength)
            {
                errno = errno == 0 ? Libc.ECONNRESET : errno;
                Forget();
                return null;
            }
            (errno, ofMailbox) = (BinaryPrimitives.ReadInt32LittleEndian(_answer), _answer[4] == 1);
            if (descriptor >= 0)
            {
                return new HelperSession(new HelperLink(UnixFile.Own(descriptor)));
            }
            errno = errno == 0 ? Libc.EPROTO : errno;
            return null;
        }
    }

    // An answer that comes late would be taken for the next question's: the parent sees the end, and begins anew.
    private void Forget()
    {
        _parent?.Dispose();
        _parent = null;
    }

    private static bool Request(Work work, UserIdentity who, MailboxJob? job, out byte[] message)
    {
        message = new byte[RequestLength];
        var directory = work == Work.Spool ? job!.SpoolDirectory : who.Root;
        int nameLength = Encoding.UTF8.GetByteCount(who.Name), directoryLength = Encoding.UTF8.GetByteCount(directory);
        if (nameLength + directoryLength > TextLength)
        {
            return false;
        }
        (message[0], message[1], message[2], message[3]) = (Version, (byte)work, (byte)who.Kind, job is { Locks.Dotlock: true } ? (byte)1 : (byte)0);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), who.Kind == IdentityKind.User ? 0 : who.Uid);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), who.Kind == IdentityKind.Virtual ? who.Gid : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), (uint)Math.Clamp(job?.Locks.StaleAfter.TotalSeconds ?? 0, 0, uint.MaxValue));
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(16), (ushort)nameLength);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(18), (ushort)directoryLength);
        Encoding.UTF8.GetBytes(who.Name, message.AsSpan(HeaderLength));
        Encoding.UTF8.GetBytes(directory, message.AsSpan(HeaderLength + nameLength));
        return true;
    }
}
