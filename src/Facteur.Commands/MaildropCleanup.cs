using System.Globalization;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>
/// What stands in cleanup's place behind the SMTP session of sendmail -bs: each message goes into maildrop, by the way that is open to this user.
/// Nothing else runs in the process, so its file work waits where it is called.
/// </summary>
/// <param name="config">The configuration.</param>
/// <param name="context">The command: why nothing can be submitted goes to its standard error, as with mail that sendmail reads itself.</param>
internal sealed class MaildropCleanup(IConfig config, CommandContext context) : ICleanup
{
    public ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel) => new(new MaildropCleanupMessage(config, envelope, context));
}

/// <summary>One message on its way into maildrop; its file is there when <see cref="CompleteAsync"/> says Ok, and else nothing of it.</summary>
internal sealed class MaildropCleanupMessage : ICleanupMessage
{
    private const string TooLarge = "message file too big";

    private readonly IConfig _config;
    private readonly Envelope _envelope;
    private readonly CommandContext _context;
    private readonly List<EnvelopeRecipient> _recipients = [];
    private readonly byte[] _line;
    private Submission? _submission;
    private MaildropWriter? _writer;
    private int _length;

    public MaildropCleanupMessage(IConfig config, Envelope envelope, CommandContext context)
    {
        _config = config;
        _envelope = envelope;
        // A program on this host sends as its user does.
        _envelope.Flags |= MessageFlags.RewriteLocal;
        _context = context;
        _line = new byte[MaildropWriter.LineLimit(config)];
        // Postfix: microseconds and inode number of the maildrop file. Here the submission service names the file when all of it is there, but the
        // Received header comes first; so that what the client is told leads to the message, the session gives a name of its own to both.
        QueueId = string.Create(CultureInfo.InvariantCulture, $"{context.Time.GetUtcNow().Ticks / TimeSpan.TicksPerMicrosecond % 1_000_000:X5}{Environment.ProcessId:X}");
    }

    /// <summary>The message gets its number when pickup hands it to the queue.</summary>
    public ulong Id => 0;

    public string QueueId { get; }

    /// <summary>SMTP names all recipients.</summary>
    public bool RecipientsFromHeaders
    {
        get => false;
        set => throw new NotSupportedException();
    }

    public void AddRecipient(EnvelopeRecipient recipient) => _recipients.Add(recipient);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        var bytes = content.Span;
        Begin(out var submission);
        while (!bytes.IsEmpty && submission.Error is null)
        {
            var end = bytes.IndexOf((byte)'\n');
            var piece = bytes[..Math.Min(end < 0 ? bytes.Length : end, _line.Length - _length)];
            piece.CopyTo(_line.AsSpan(_length));
            _length += piece.Length;
            bytes = bytes[piece.Length..];
            if (bytes is [(byte)'\n', ..])
            {
                Put(MaildropRecordType.Line);
                bytes = bytes[1..];
            }
            else if (_length == _line.Length)
            {
                Put(MaildropRecordType.LinePart);
            }
        }
        return default;
    }

    public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
    {
        var writer = Begin(out var submission);
        if (_length > 0)
        {
            Put(MaildropRecordType.Line);
        }
        writer.End(_recipients);
        if (submission.Commit() is not { } failure)
        {
            return new(new CleanupResult(CleanupStatus.Ok));
        }
        _context.Warn(failure);
        return new(!submission.Refused ? new CleanupResult(CleanupStatus.WriteError)
            : failure == TooLarge ? new CleanupResult(CleanupStatus.TooLarge)
            : new CleanupResult(CleanupStatus.Rejected, failure));
    }

    public ValueTask DisposeAsync()
    {
        _submission?.Dispose();
        return default;
    }

    /// <summary>Opens the way into maildrop with the first content: a dialogue without end must not hold one of the user's sessions with the submission service.</summary>
    private MaildropWriter Begin(out Submission submission)
    {
        submission = _submission ??= Submission.Open(_config, _context.Time);
        if (_writer is null)
        {
            _writer = new MaildropWriter(submission);
            _writer.Begin(_envelope);
        }
        return _writer;
    }

    private void Put(MaildropRecordType type)
    {
        Begin(out _).Content(type, _line.AsSpan(0, _length));
        _length = 0;
    }
}
