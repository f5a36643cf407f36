using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Tests.Report.Bounce;

/// <summary>Keeps the messages given to it and numbers them R1, R2…</summary>
internal sealed class RecordingResubmit : IResubmit
{
    public List<(Envelope Envelope, string Text)> Sent { get; } = [];

    public CleanupStatus Answer { get; set; }

    /// <summary>Longer messages are too large.</summary>
    public long SizeLimit { get; set; } = long.MaxValue;

    public IResubmitMessage Begin(Envelope envelope) => new Message(this, envelope);

    private sealed class Message(RecordingResubmit owner, Envelope envelope) : IResubmitMessage
    {
        private readonly MemoryStream _content = new();

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            _content.Write(content.Span);
            return default;
        }

        public ValueTask<ResubmitResult> EndAsync(CancellationToken cancel)
        {
            var answer = _content.Length > owner.SizeLimit ? CleanupStatus.TooLarge : owner.Answer;
            if (answer != CleanupStatus.Ok)
            {
                return new(new ResubmitResult(new CleanupResult(answer), ""));
            }
            owner.Sent.Add((envelope, Encoding.UTF8.GetString(_content.ToArray())));
            return new(new ResubmitResult(new CleanupResult(CleanupStatus.Ok), $"R{owner.Sent.Count}"));
        }

        public void Dispose() => _content.Dispose();
    }
}

/// <summary>Contents in memory, cut into extents of so many bytes.</summary>
internal sealed class MemoryContents(string text, int extent = 65536) : ISpoolReader
{
    private readonly byte[] _bytes = Encoding.UTF8.GetBytes(text);

    public long BytesRead { get; private set; }

    public int FailAt { get; set; } = -1;

    public ContentRead Failure { get; set; } = ContentRead.Damaged;

    public ContentLayout Layout => new([.. _bytes.Chunk(extent).Select((c, i) => new Extent(ExtentKind.File, 0, i * extent, c.Length))]);

    public ContentRead Read(ulong id, ContentLayout layout, int index, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (index == FailAt)
        {
            return Failure;
        }
        var piece = _bytes.AsMemory((int)(layout.Extents[index].Offset + offset), (int)Math.Min(layout.Extents[index].Length - offset, 65536));
        piece.CopyTo(buffer);
        BytesRead += piece.Length;
        content = buffer[..piece.Length];
        return ContentRead.Data;
    }

    public void Dispose()
    {
    }
}

internal sealed class FixedClock : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new(2026, 9, 1, 10, 0, 5, TimeSpan.Zero);
}
