using System.IO.Pipelines;

namespace Facteur.Contracts.Wire;

/// <summary>The two ends of a link within one process. Bells ring on the writer's thread; nothing goes through the thread pool.</summary>
public static class PipePair
{
    /// <summary>Makes the two ends.</summary>
    /// <param name="window">Bytes under way in each direction before a sender keeps the rest to itself.</param>
    public static (IDuplexPipe A, IDuplexPipe B) Create(int window = 4 << 20)
    {
        var options = new PipeOptions(
            readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: window,
            resumeWriterThreshold: window / 2, minimumSegmentSize: 64 << 10, useSynchronizationContext: false);
        var (ab, ba) = (new Pipe(options), new Pipe(options));
        return (new End(ba.Reader, ab.Writer), new End(ab.Reader, ba.Writer));
    }

    private sealed class End(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
