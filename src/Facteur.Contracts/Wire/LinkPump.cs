using System.IO.Pipelines;

namespace Facteur.Contracts.Wire;

/// <summary>What a link's own thread does with frames.</summary>
public interface IFrameHandler
{
    /// <summary>One frame. Must not throw for what a frame holds; false ends the link.</summary>
    bool OnFrame(in Frame frame);

    /// <summary>All frames that were there are handled: send what they caused.</summary>
    void OnBatchEnd();

    /// <summary>The link is gone.</summary>
    void OnClosed();
}

/// <summary>
/// A thread that reads one link. What waits for frames (a session waiting for "durable") runs on it, not on the thread pool:
/// the hand-over would cost more than the work.
/// </summary>
public sealed class LinkPump : IDisposable
{
    private readonly Bell _bell;
    private readonly LinkReader _reader;
    private readonly IFrameHandler _handler;
    private readonly Thread _thread;
    private volatile bool _stop;

    /// <summary>Starts reading.</summary>
    /// <param name="pipe">The link.</param>
    /// <param name="handler">What to do with frames.</param>
    /// <param name="name">Name of the thread.</param>
    public LinkPump(PipeReader pipe, IFrameHandler handler, string name)
    {
        _bell = (pipe as IPolledReader)?.Bell ?? new Bell();
        _reader = new LinkReader(pipe, _bell.Ring);
        _handler = handler;
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop = true;
        _bell.Ring();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    private void Run()
    {
        while (!_stop && !_reader.Closed)
        {
            var any = false;
            while (_reader.TryRead(out var frame))
            {
                any = true;
                if (!_handler.OnFrame(frame))
                {
                    _reader.Close();
                    break;
                }
            }
            if (any)
            {
                _handler.OnBatchEnd();
            }
            else if (!_reader.Closed)
            {
                _bell.Wait(Timeout.InfiniteTimeSpan);
            }
        }
        _handler.OnClosed();
        // A bell that came with the link is this thread's alone.
        (_bell as IDisposable)?.Dispose();
    }
}
