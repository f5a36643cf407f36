using Facteur.Mail.Dsn;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// The expander's end of a helper's socket: one request at a time, with blocking calls, on an own thread. A helper that is gone, that does not
/// answer in time, or that says what is no answer, leaves a delivery to be tried again.
/// </summary>
internal sealed class HelperSession(HelperLink link) : IDisposable
{
    private const int TogetherLimit = 32 << 10;

    // Longer than anything a helper does but a command, which has a time limit of its own.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromMinutes(10);

    // What a helper needs beyond the command's own limit to end it and to say so: one that was stopped holds its place no longer.
    private static readonly TimeSpan CommandGrace = TimeSpan.FromMinutes(5);

    private const string Gone = "the delivery process has ended";
    private const string Foreign = "the delivery process is of another build than this mail system: after an upgrade run \"postfix stop\" and \"postfix start\"";

    private bool _limited;

    /// <summary>Reads a file.</summary>
    public FileRead Read(string path, bool followLinks)
    {
        link.LimitWaits(AnswerLimit);
        var writer = link.Begin(HelperFrame.Read);
        writer.Text(path);
        writer.Byte(followLinks ? (byte)1 : (byte)0);
        return link.End() && link.Next(out var kind, out var payload) && kind == HelperFrame.FileEnd && HelperFields.ReadFile(payload.Span) is { } file
            ? file : new FileRead(Libc.EIO, false, 0, 0, null);
    }

    /// <summary>Another request may follow: the last one was answered.</summary>
    public bool Usable { get; private set; } = true;

    /// <summary>Delivers into a mailbox.</summary>
    public MailboxEnd Deliver(MailboxJob job, IContentSource content)
    {
        if (!_limited)
        {
            _limited = true;
            link.LimitWaits(AnswerLimit);
        }
        // A Maildir has no lock to wait for: a short content goes with the request, and nobody is asked whether it is wanted.
        var together = job.IsMaildir && content.Length <= TogetherLimit;
        HelperFields.Write(job, content.Length, together, link.Begin(HelperFrame.Deliver));
        HelperFrame kind = default;
        ReadOnlyMemory<byte> payload = default;
        if ((together ? Send(content) && link.Next(out kind, out payload) : Converse(content, out kind, out payload))
            && kind == HelperFrame.MailboxEnd && HelperFields.ReadMailboxEnd(payload.Span) is { } end)
        {
            return end;
        }
        Usable = false;
        return new MailboxEnd(new MailboxResult(DeliveryStatus.Deferred(3, 0, kind == HelperFrame.OtherBuild ? Foreign : Gone)), []);
    }

    /// <summary>Runs a command.</summary>
    public CommandEnd Run(CommandJob job, IContentSource content)
    {
        link.LimitWaits(job.TimeLimit + CommandGrace);
        HelperFields.Write(job, link.Begin(HelperFrame.Run));
        return Converse(content, out var kind, out var payload) && kind == HelperFrame.CommandEnd && HelperFields.ReadCommandEnd(payload.Span) is { } end
            ? end : new CommandEnd(CommandEndKind.NotStarted, Libc.EIO, kind == HelperFrame.OtherBuild ? Foreign : "");
    }

    /// <inheritdoc/>
    public void Dispose() => link.Dispose();

    /// <summary>Sends what was begun, the content when it is wanted, and waits for the answer.</summary>
    private bool Converse(IContentSource content, out HelperFrame kind, out ReadOnlyMemory<byte> payload)
    {
        (kind, payload) = (default, default);
        return link.End() && link.Next(out kind, out payload) && (kind != HelperFrame.Ready || (Send(content) && link.Next(out kind, out payload)));
    }

    private bool Send(IContentSource content)
    {
        content.Rewind();
        ContentRead read;
        while ((read = content.Read(out var piece)) == ContentRead.Data)
        {
            if (!link.Content(piece.Span))
            {
                return false;
            }
        }
        link.Begin(HelperFrame.ContentEnd).Byte((byte)read);
        return link.End();
    }
}
