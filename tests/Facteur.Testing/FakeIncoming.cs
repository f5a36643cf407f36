using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Testing;

/// <summary>Keeps what a queue would make durable.</summary>
public sealed class FakeIncoming : IIncoming
{
    private readonly Dictionary<ulong, MemoryStream> _open = [];
    private ulong _next = 0xA1000;

    public List<(ulong Id, byte[] Content, Envelope Envelope)> Messages { get; } = [];

    public List<ulong> Aborted { get; } = [];

    /// <summary>Lengths of the pieces that came before the end.</summary>
    public List<int> Pieces { get; } = [];

    /// <summary>What the next messages end with.</summary>
    public CleanupStatus Result { get; set; }

    /// <summary>No id can be given.</summary>
    public bool Refuses { get; set; }

    /// <summary>The last message's content.</summary>
    public string LastText => Encoding.Latin1.GetString(Messages[^1].Content);

    public Envelope LastEnvelope => Messages[^1].Envelope;

    public ValueTask<ulong> TakeIdAsync(CancellationToken cancel) => new(Refuses ? 0 : _next++);

    public ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        Pieces.Add(content.Length);
        Content(id).Write(content.Span);
        return default;
    }

    public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel)
    {
        Content(id).Write(lastContent.Span);
        if (Result == CleanupStatus.Ok)
        {
            Messages.Add((id, Content(id).ToArray(), envelope));
        }
        _open.Remove(id);
        return new(Result);
    }

    public void Abort(ulong id)
    {
        Aborted.Add(id);
        _open.Remove(id);
    }

    private MemoryStream Content(ulong id) => _open.TryGetValue(id, out var content) ? content : _open[id] = new MemoryStream();
}
