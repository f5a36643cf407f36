using System.IO.Pipelines;
using System.Net;

namespace Facteur.Net.Connections;

/// <summary>Two ends of an in-memory connection.</summary>
public static class DuplexPair
{
    /// <summary>Makes a pair.</summary>
    /// <param name="firstAddress">Address of the first end, as the second sees it, or null.</param>
    /// <param name="secondAddress">Address of the second end, as the first sees it, or null.</param>
    public static (Connection First, Connection Second) Create(EndPoint? firstAddress = null, EndPoint? secondAddress = null)
    {
        var options = new PipeOptions(useSynchronizationContext: false);
        var there = new Pipe(options);
        var back = new Pipe(options);
        return (new End(back, there, firstAddress, secondAddress), new End(there, back, secondAddress, firstAddress));
    }

    private sealed class End(Pipe input, Pipe output, EndPoint? local, EndPoint? remote) : Connection
    {
        public override PipeReader Input => input.Reader;

        public override PipeWriter Output => output.Writer;

        public override EndPoint? RemoteEndPoint => remote;

        public override EndPoint? LocalEndPoint => local;

        public override void Abort()
        {
            // The other end's reader sees the end; this end's own reads are woken.
            output.Writer.Complete();
            input.Writer.Complete();
        }

        public override ValueTask DisposeAsync()
        {
            output.Writer.Complete();
            input.Reader.Complete();
            return ValueTask.CompletedTask;
        }
    }
}
