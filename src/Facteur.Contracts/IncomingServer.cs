using System.IO.Pipelines;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>What the queue does with the frames of one writer; called on the engine's thread.</summary>
public interface IIncomingSink
{
    /// <summary>Numbers are wanted.</summary>
    void TakeIds(IncomingServer from, int count);

    /// <summary>Content of a message.</summary>
    void Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content);

    /// <summary>The end of a message.</summary>
    void End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope);

    /// <summary>A message is forgotten.</summary>
    void Abort(ulong id);

    /// <summary>The writer is gone: all its messages without an end are forgotten.</summary>
    void Closed(IncomingServer from);
}

/// <summary>
/// The queue's end of the arrow cleanup → incoming; polled by the engine. A writer speaks only of numbers that this link gave it, and of none
/// again that has ended: else it ends here, before it could touch mail that is not its own.
/// </summary>
public sealed class IncomingServer(IDuplexPipe link, Action bell)
{
    private readonly LinkReader _reader = new(link.Input, bell);
    private readonly LinkWriter _writer = new(link.Output);
    private readonly List<(ulong Id, CleanupStatus Status)> _done = [];
    private readonly GivenNumbers _given = new();
    private ulong _credit;
    private bool _ended;

    /// <summary>The writer is gone.</summary>
    public bool Closed => _reader.Closed;

    /// <summary>Handles one frame, if one is there.</summary>
    public bool Poll(IIncomingSink sink)
    {
        if (!_reader.TryRead(out var frame))
        {
            return false;
        }
        if (!Handle(frame, sink))
        {
            // The writer must learn of it: its sessions wait for answers.
            _reader.Close();
            _writer.Complete();
        }
        return true;
    }

    /// <summary>Gives numbers; count 0: none can be given now.</summary>
    public void Ids(ulong first, int count)
    {
        _given.Add(first, count);
        _writer.Write(IncomingFrames.Ids, IncomingFrames.Version, first, (uint)count, static (uint n, ref FieldWriter writer) => writer.UInt32(n));
    }

    /// <summary>Says how a message ended; sent with the next flush.</summary>
    public void Done(ulong id, CleanupStatus status) => _done.Add((id, status));

    /// <summary>Gives back the credit of what was taken, so that the writer goes on while a batch is synced.</summary>
    public void FlushCredit()
    {
        if (_credit > 0)
        {
            _writer.Write(IncomingFrames.Credit, IncomingFrames.Version, _credit);
            _credit = 0;
            _writer.Flush();
        }
    }

    /// <summary>Sends what was said.</summary>
    public void Flush()
    {
        if (_done.Count > 0)
        {
            _writer.Write(IncomingFrames.Done, IncomingFrames.Version, (ulong)_done.Count, _done, static (List<(ulong Id, CleanupStatus Status)> done, ref FieldWriter writer) =>
            {
                foreach (var (id, status) in done)
                {
                    writer.UInt64(id);
                    writer.Byte((byte)status);
                }
            });
            _done.Clear();
        }
        else if (_ended)
        {
            // A long message is still being written: what ended after it need not wait for its answer.
            _writer.Write(IncomingFrames.Credit, IncomingFrames.Version, 0);
        }
        _ended = false;
        _writer.Flush();
    }

    private bool Handle(in Frame frame, IIncomingSink sink)
    {
        if (frame.Version != IncomingFrames.Version)
        {
            return false;
        }
        var reader = new FieldReader(frame.Payload);
        switch (frame.Type)
        {
            case IncomingFrames.TakeIds:
                sink.TakeIds(this, (int)Math.Clamp(frame.Id, 1, IncomingFrames.IdBlock));
                return true;
            case IncomingFrames.Content:
                var content = reader.Bytes(ContentLayout.PieceLimit);
                if (!reader.Complete || !_given.Has(frame.Id))
                {
                    return false;
                }
                _credit += (ulong)content.Length;
                sink.Content(this, frame.Id, content);
                return true;
            case IncomingFrames.End:
                var last = reader.Bytes(ContentLayout.PieceLimit);
                var envelope = EnvelopeCodec.Read(ref reader);
                if (envelope is null || !reader.Complete || !_given.Remove(frame.Id))
                {
                    return false;
                }
                _ended = true;
                sink.End(this, frame.Id, last, envelope);
                return true;
            case IncomingFrames.Abort:
                // What has ended can't be taken back: who gives a message up need not know whether it has.
                if (_given.Remove(frame.Id))
                {
                    sink.Abort(frame.Id);
                }
                return true;
            default:
                return false;
        }
    }
}
