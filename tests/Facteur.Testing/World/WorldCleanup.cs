using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Testing.World;

/// <summary>Keeps what it is given; queue ids are Q1, Q2 and so on.</summary>
public sealed class WorldCleanup : ICleanup
{
    private int _last;

    public List<WorldMessage> Messages { get; } = [];

    /// <summary>How the next messages end.</summary>
    public CleanupResult Result { get; set; }

    /// <summary>No queue id can be had.</summary>
    public bool Refuses { get; set; }

    public IEnumerable<WorldMessage> Completed => Messages.Where(message => message.IsComplete);

    public ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        if (Refuses)
        {
            return new((ICleanupMessage?)null);
        }
        var message = new WorldMessage(this, (ulong)++_last, envelope);
        Messages.Add(message);
        return new(message);
    }
}

/// <summary>One message that cleanup was given.</summary>
public sealed class WorldMessage(WorldCleanup cleanup, ulong id, Envelope envelope) : ICleanupMessage
{
    private readonly MemoryStream _content = new();

    public ulong Id => id;

    public string QueueId => $"Q{id}";

    public Envelope Envelope => envelope;

    public List<EnvelopeRecipient> Recipients { get; } = [];

    public bool IsComplete { get; private set; }

    public bool IsDisposed { get; private set; }

    public int LargestWrite { get; private set; }

    public bool RecipientsFromHeaders { get; set; }

    /// <summary>The content, one character per byte.</summary>
    public string Content => System.Text.Encoding.Latin1.GetString(_content.ToArray());

    /// <summary>The content behind the Received: header that smtpd made.</summary>
    public string Body => Content[(Content.IndexOf(" (UTC)\n", StringComparison.Ordinal) + 7)..];

    public void AddRecipient(EnvelopeRecipient recipient) => Recipients.Add(recipient);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        LargestWrite = Math.Max(LargestWrite, content.Length);
        _content.Write(content.Span);
        return default;
    }

    public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
    {
        IsComplete = cleanup.Result.Status == CleanupStatus.Ok;
        return new(cleanup.Result);
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return default;
    }
}
