using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur.Services.Master.Roles;

/// <summary>What receive asks of a queue in another process, over the socket that operators' commands use.</summary>
internal sealed class QueueOverSocket(string queueDirectory, BlockingThreads threads, TimeProvider time) : IQueueQuestions
{
    private readonly string _path = Path.Combine(queueDirectory, "public/control");
    private long _freeBytes = long.MaxValue;
    private long _freeAsked;

    /// <inheritdoc/>
    public async ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => await AskAsync(async queue =>
    {
        await queue.FlushSiteAsync(domain, cancel).ConfigureAwait(false);
        return true;
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel) => AskAsync(queue => queue.FindAsync(id, cancel), cancel);

    /// <summary>
    /// Free bytes in the queue's file system, asked at most once a second: smtpd asks at every MAIL. The queue itself refuses what its reserve
    /// is needed for.
    /// </summary>
    public unsafe long FreeBytes()
    {
        var asked = Volatile.Read(ref _freeAsked);
        if (asked == 0 || time.GetElapsedTime(asked) > TimeSpan.FromSeconds(1))
        {
            Volatile.Write(ref _freeAsked, time.GetTimestamp());
            Libc.StatVfs status;
            if (Libc.statvfs(queueDirectory, &status) == 0)
            {
                Volatile.Write(ref _freeBytes, (long)Math.Min(status.AvailableBlocks * status.FragmentSize, long.MaxValue));
            }
        }
        return Volatile.Read(ref _freeBytes);
    }

    // A connection for each question: they are rare. The socket's calls block, so they have threads of their own.
    private async ValueTask<T> AskAsync<T>(Func<ControlClient, ValueTask<T>> question, CancellationToken cancel) =>
        await threads.RunAsync(() =>
        {
            using var socket = ControlSocket.Connect(_path, out var error) ?? throw new IOException($"{_path}: {error}");
            using var client = new ControlClient(socket);
            return question(client).AsTask().GetAwaiter().GetResult();
        }, cancel).ConfigureAwait(false);
}
