using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// The expander's end of the socket of requests: many at a time, each with a number of its own, by which a thread of its own gives the answers
/// away. When the parent is gone, all that waits hears so; a descriptor nobody waits for is closed.
/// </summary>
internal sealed class ParentLink : IDisposable
{
    /// <summary>No answer ever comes: the parent is gone. What the errno of an answer can be is told by <see cref="LocalAnswer"/>.</summary>
    private static readonly LocalAnswer Gone = new(Libc.ECONNRESET);

    private readonly DescriptorSocket _socket;
    private readonly Dictionary<uint, TaskCompletionSource<LocalAnswer>> _asked = [];
    private readonly Lock _gate = new();
    private uint _number;
    private bool _ended;

    /// <summary>Takes the socket over.</summary>
    public ParentLink(DescriptorSocket socket)
    {
        _socket = socket;
        new Thread(Hear, 256 * 1024) { IsBackground = true, Name = "parent" }.Start();
    }

    /// <summary>Asks; the number is filled in.</summary>
    /// <param name="request">The request.</param>
    /// <param name="number">Its number.</param>
    public Task<LocalAnswer> AskAsync(LocalRequest request, out uint number)
    {
        var answer = new TaskCompletionSource<LocalAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            number = ++_number;
            if (_ended)
            {
                return Task.FromResult(Gone);
            }
            if ((request with { Number = number }).Write() is not { } message)
            {
                return Task.FromResult(new LocalAnswer(Libc.ENAMETOOLONG));
            }
            _asked.Add(number, answer);
            if (Send(message) is not 0 and var errno)
            {
                _asked.Remove(number);
                return Task.FromResult(new LocalAnswer(errno));
            }
        }
        return answer.Task;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_ended)
            {
                // The thread that hears closes it.
                _ = Libc.shutdown(_socket.Fd, 2);
            }
        }
    }

    /// <summary>The parent reads at once what comes: when there is no room for a second, it is not running.</summary>
    private unsafe int Send(byte[] message)
    {
        var errno = _socket.Send(message, -1);
        if (errno == Libc.EAGAIN)
        {
            var room = new Libc.PollFd { Fd = _socket.Fd, Events = Libc.POLLOUT };
            _ = Libc.poll(&room, 1, 1000);
            errno = _socket.Send(message, -1);
        }
        return errno;
    }

    private void Hear()
    {
        var buffer = new byte[DescriptorSocket.MessageLimit];
        while (LocalAnswer.Receive(_socket, buffer, out var number) is { } answer)
        {
            TaskCompletionSource<LocalAnswer>? asked;
            lock (_gate)
            {
                _asked.Remove(number, out asked);
            }
            if ((asked is null || !asked.TrySetResult(answer)) && answer.Descriptor >= 0)
            {
                _ = Libc.close(answer.Descriptor);
            }
        }
        lock (_gate)
        {
            _ended = true;
            _socket.Dispose();
        }
        // Nothing is added from here on.
        foreach (var asked in _asked.Values)
        {
            asked.SetResult(Gone);
        }
    }
}
