using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Facteur.Net.Connections;

/// <summary>A reusable socket operation that can be awaited: errors come as values, and the continuation runs on the thread that completed it.</summary>
internal sealed class SocketOperation() : SocketAsyncEventArgs(true), IValueTaskSource<SocketError>
{
    private ManualResetValueTaskSourceCore<SocketError> _core;

    /// <summary>Awaits what a call such as ConnectAsync(operation) returned.</summary>
    /// <param name="start">The call: true when it goes on in the background.</param>
    public ValueTask<SocketError> RunAsync(Func<SocketOperation, bool> start)
    {
        _core.Reset();
        try
        {
            return start(this) ? new ValueTask<SocketError>(this, _core.Version) : new ValueTask<SocketError>(SocketError);
        }
        catch (ObjectDisposedException)
        {
            return new ValueTask<SocketError>(SocketError.OperationAborted);
        }
    }

    protected override void OnCompleted(SocketAsyncEventArgs e) => _core.SetResult(SocketError);

    SocketError IValueTaskSource<SocketError>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<SocketError>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<SocketError>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
