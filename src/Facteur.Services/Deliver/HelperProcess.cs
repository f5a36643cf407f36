using System.Globalization;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// The program that becomes a user and does what local(8) and virtual(8) do with a user's rights: nothing else, one request after the other.
/// Descriptor 0 is a socket to whoever started it: each message brings the socket of a session, which is one request; at its end the program ends.
/// </summary>
public static class HelperProcess
{
    /// <summary>The name it is called by.</summary>
    public const string Name = "local-helper";

    private const int SetNotDumpable = 4;
    private const int Usage = 64;
    private const int CannotCreate = 73;
    private const int OtherBuild = 72; // EX_OSFILE
    private const uint OnlyOwner = 0x3F; // 077

    /// <summary>Arguments of a helper.</summary>
    /// <param name="uid">User; 0 is refused.</param>
    /// <param name="gid">Group.</param>
    /// <param name="root">Its root directory, or "" for the system's.</param>
    internal static IReadOnlyList<string> Arguments(uint uid, uint gid, string root = "") =>
    [
        "--uid", uid.ToString(CultureInfo.InvariantCulture), "--gid", gid.ToString(CultureInfo.InvariantCulture), .. root.Length > 0 ? ["--root", root] : Array.Empty<string>(),
    ];

    /// <summary>Runs.</summary>
    /// <param name="arguments">--build ID --uid N --gid N [--virtual-only | --root DIRECTORY].</param>
    public static int Run(IReadOnlyList<string> arguments)
    {
        string[] words = [.. arguments];
        if (words is not ["--build", var build, "--uid", var user, "--gid", var group, .. var rest] || rest is not ([] or ["--virtual-only"] or ["--root", ['/', ..]])
            || !NumberText.TryParseId(user, out var uid) || !NumberText.TryParseId(group, out var gid) || uid == 0)
        {
            return Usage;
        }
        if (build != BuildId.Value)
        {
            // Nothing is done with frames that may mean something else to their writer.
            Refuse();
            return OtherBuild;
        }
        if (rest is ["--root", var root])
        {
            if (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") is not null)
            {
                // A build that is compiled when it runs finds no library any more behind the new root.
                Warm();
            }
            if (Libc.chroot(root) < 0)
            {
                return CannotCreate;
            }
        }
        if (Libc.geteuid() == 0 || Libc.getuid() != uid || Libc.getgid() != gid)
        {
            ProcessIdentity.Become(uid, gid, [gid]);
        }
        // Another process of the user's may not look into this one (pidfd_getfd, ptrace); a program that it starts is the user's again.
        _ = Libc.prctl(SetNotDumpable, 0, 0, 0, 0);
        _ = Libc.umask(OnlyOwner);
        _ = Libc.chdir("/");
        _ = Libc.signal(Libc.SIGXFSZ, 1); // SIG_IGN: a file that grows too big is EFBIG.
        using var starter = new DescriptorSocket(0);
        Serve(starter, deliverOnly: rest is ["--virtual-only"]);
        return 0;
    }

    /// <summary>Says so to who asks first.</summary>
    private static void Refuse()
    {
        using var starter = new DescriptorSocket(0);
        if (starter.Receive(new byte[DescriptorSocket.MessageLimit], out var descriptor, wait: true, out _) > 0 && descriptor >= 0)
        {
            using var session = new HelperLink(UnixFile.Own(descriptor));
            _ = session.Begin(HelperFrame.OtherBuild);
            _ = session.End();
        }
    }

    /// <summary>Plays one session with itself, so that all it takes is loaded.</summary>
    private static unsafe void Warm()
    {
        int* pair = stackalloc int[2];
        if (DescriptorSocket.Pair(out _) is not var (ours, theirs) || Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) < 0)
        {
            return;
        }
        using var starter = new DescriptorSocket(theirs);
        _ = ours.Send([(byte)HelperMessage.Session], pair[1]);
        _ = Libc.close(pair[1]);
        using (var session = new HelperLink(UnixFile.Own(pair[0])))
        {
            HelperFields.Write(
                new CommandJob { Command = "", Arguments = ["/bin/true"], Shell = [], Environment = ["A=B"], Directory = "/", NeedsDirectory = true, TimeLimit = TimeSpan.FromSeconds(60), Head = "x"u8.ToArray() },
                session.Begin(HelperFrame.Run));
            _ = session.End();
            _ = session.Content("x"u8);
            session.Begin(HelperFrame.ContentEnd).Byte((byte)ContentRead.End);
            _ = session.End();
            _ = Libc.shutdown(ours.Fd, 1); // SHUT_WR: it is the only session.
            Serve(starter, deliverOnly: false);
        }
        ours.Dispose();
    }

    private static void Serve(DescriptorSocket starter, bool deliverOnly)
    {
        var message = new byte[DescriptorSocket.MessageLimit];
        while (starter.Receive(message, out var descriptor, wait: true, out _) > 0)
        {
            if (descriptor < 0)
            {
                return;
            }
            using var session = new HelperLink(UnixFile.Own(descriptor));
            var answered = new LocalHelperSession(session, deliverOnly, starter.Fd).Serve();
            // One of numbers is used again and again, and kept by the expander between deliveries.
            while (answered && deliverOnly && session.End())
            {
                answered = new LocalHelperSession(session, deliverOnly, starter.Fd).Serve();
            }
            // First idle, then the answer: whoever has the answer finds this helper free.
            if (starter.Send([(byte)HelperMessage.Idle], -1) != 0)
            {
                return;
            }
            _ = answered && session.End();
        }
    }
}

/// <summary>Messages between a helper and who started it; docs/formats/local.md.</summary>
internal enum HelperMessage : byte
{
    /// <summary>→ With the socket of a session.</summary>
    Session = (byte)'S',

    /// <summary>← The session is over.</summary>
    Idle = (byte)'I',
}

/// <summary>A helper's side of one session.</summary>
/// <param name="link">The expander.</param>
/// <param name="deliverOnly">Nothing but mailboxes.</param>
/// <param name="lifeline">Descriptor at whose end a command is killed.</param>
internal sealed class LocalHelperSession(HelperLink link, bool deliverOnly, int lifeline)
{
    private readonly TimeProvider _time = TimeProvider.System;

    /// <summary>Serves a request.</summary>
    /// <returns>Whether an answer is begun: the other end is there, and sent a request.</returns>
    public bool Serve() => link.Next(out var kind, out var payload) && kind switch
    {
        HelperFrame.Read => !deliverOnly && Read(payload.Span),
        HelperFrame.Deliver => Deliver(payload.Span),
        HelperFrame.Run => !deliverOnly && Run(payload.Span),
        _ => false,
    };

    private bool Read(ReadOnlySpan<byte> payload)
    {
        var reader = new Mail.Envelopes.FieldReader(payload);
        var (path, followLinks) = (reader.Text(4096), reader.Byte() != 0);
        if (!reader.Complete || !path.StartsWith('/'))
        {
            return false;
        }
        HelperFields.Write(UserFile.Read(path, followLinks), link.Begin(HelperFrame.FileEnd));
        return true;
    }

    private bool Deliver(ReadOnlySpan<byte> payload)
    {
        if (HelperFields.ReadMailbox(payload) is not var (job, length, together) || (deliverOnly && job.AnyFile))
        {
            return false;
        }
        var content = new LinkContent(link, length, together);
        var end = MailboxDelivery.Deliver(Libc.geteuid(), null, job, content, _time);
        content.Drain();
        HelperFields.Write(end, link.Begin(HelperFrame.MailboxEnd));
        return true;
    }

    private bool Run(ReadOnlySpan<byte> payload)
    {
        if (HelperFields.ReadCommand(payload) is not { } job)
        {
            return false;
        }
        var content = new LinkContent(link, 0, together: false);
        var end = CommandRunner.Run(job, content, _time, lifeline);
        content.Drain();
        HelperFields.Write(end, link.Begin(HelperFrame.CommandEnd));
        return true;
    }

    /// <summary>Content that comes through the link, asked for when it is first wanted.</summary>
    private sealed class LinkContent(HelperLink link, long length, bool together) : IContentSource
    {
        private bool _asked = together;
        private ContentRead _end = ContentRead.Data;

        public long Length => length;

        /// <summary>It comes once.</summary>
        public void Rewind()
        {
        }

        public ContentRead Read(out ReadOnlyMemory<byte> piece)
        {
            piece = default;
            if (!_asked)
            {
                _asked = true;
                _ = link.Begin(HelperFrame.Ready);
                _end = link.End() ? ContentRead.Data : ContentRead.Failed;
            }
            if (_end != ContentRead.Data)
            {
                return _end;
            }
            if (!link.Next(out var kind, out piece))
            {
                return _end = ContentRead.Failed;
            }
            if (kind == HelperFrame.Content)
            {
                return ContentRead.Data;
            }
            var known = kind == HelperFrame.ContentEnd && piece.Length == 1 ? (ContentRead)piece.Span[0] : ContentRead.Failed;
            piece = default;
            return _end = known is ContentRead.End or ContentRead.Damaged or ContentRead.Moved ? known : ContentRead.Failed;
        }

        /// <summary>Reads what the delivery left, so that the answer is the next thing said.</summary>
        public void Drain()
        {
            while (_asked && _end == ContentRead.Data)
            {
                _ = Read(out _);
            }
        }
    }
}
