using System.Buffers;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Services.Server;
using Facteur.Spool.Maildrop;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Services.Receive.Pickup;

/// <summary>
/// Takes mail of local users who may not write maildrop themselves, over the socket $queue_directory/submit: the records of a maildrop file up
/// to the end record, then one line back: "OK name", "RETRY reason" or "REFUSED reason". "OK" is said when the file is durable.
/// The kernel says who the client is; sessions are bounded, for each user and in all, and so is their time.
/// </summary>
public sealed class SubmitService
{
    /// <summary>Mode of the socket: any local user may connect.</summary>
    public const uint SocketMode = 0x1B6;

    private static readonly TimeSpan SessionTime = TimeSpan.FromMinutes(10);

    private readonly MaildropDirectory _directory;
    private readonly BlockingThreads _threads;
    private readonly Action _trigger;
    private readonly long _sizeLimit;
    private readonly ServiceLog _log;
    private readonly TimeProvider _time;
    private readonly Submitters _submitters;
    private readonly LoginSenders? _senders;
    private readonly UserSessions _sessions = new();

    /// <summary>Makes the service.</summary>
    /// <param name="config">Parameters.</param>
    /// <param name="threads">Threads for file work.</param>
    /// <param name="trigger">Called when a file is there: <see cref="PickupService.Trigger"/>.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    public SubmitService(IConfig config, BlockingThreads threads, Action trigger, ServiceLog log, TimeProvider time)
    {
        _directory = new MaildropDirectory(config.Get(CommonParameters.QueueDirectory));
        _sizeLimit = config.Get(CommonParameters.MessageSizeLimit);
        _submitters = new Submitters(ListSyntax.Split(config.Get(SendmailParameters.AuthorizedSubmitUsers)));
        _senders = LoginSenders.Of(config, time);
        _threads = threads;
        _trigger = trigger;
        _log = log;
        _time = time;
    }

    /// <summary>Path of the socket.</summary>
    /// <param name="config">Parameters.</param>
    public static string SocketPath(IConfig config) => Path.Combine(config.Get(CommonParameters.QueueDirectory), "submit");

    /// <summary>Sessions being served.</summary>
    public int Sessions => _sessions.Count;

    /// <summary>Serves a listener until it is disposed.</summary>
    public async Task RunAsync(Listener listener, CancellationToken cancel)
    {
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            _ = SessionAsync(connection, cancel);
        }
    }

    private async Task SessionAsync(Connection connection, CancellationToken cancel)
    {
        await using (connection.ConfigureAwait(false))
        {
            if ((connection as SocketConnection)?.PeerUser() is not { } uid)
            {
                return;
            }
            var entered = _sessions.TryEnter(uid);
            try
            {
                using var end = new CancellationTokenSource(SessionTime, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, end.Token);
                if (!entered)
                {
                    PickupLog.TooManySessions(_log, uid);
                    await AnswerAsync(connection, "RETRY too many sessions", either.Token).ConfigureAwait(false);
                    return;
                }
                await ReceiveAsync(connection, uid, either.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or System.Net.Sockets.SocketException)
            {
                // The client went away or took too long: without its end record nothing is kept.
            }
            finally
            {
                if (entered)
                {
                    _sessions.Leave(uid);
                }
            }
        }
    }

    private async ValueTask ReceiveAsync(Connection connection, uint uid, CancellationToken cancel)
    {
        var (wrongList, name, allowed) = await _threads.RunAsync(() => (_submitters.Allows(uid, out var user, out var may), user, may), cancel).ConfigureAwait(false);
        if (wrongList is not null || !allowed)
        {
            var reason = wrongList ?? $"User {name}({uid}) is not allowed to submit mail";
            PickupLog.Refused(_log, uid, reason);
            await AnswerAsync(connection, $"{(wrongList is null ? "REFUSED" : "RETRY")} {reason}", cancel).ConfigureAwait(false);
            return;
        }
        var (errno, file) = await _threads.RunAsync(() => (_directory.Create(_time, out var created), created), cancel).ConfigureAwait(false);
        if (file is null)
        {
            PickupLog.Refused(_log, uid, $"create file in {_directory.Path}: {Errno.Text(errno)}");
            await AnswerAsync(connection, "RETRY queue file write error", cancel).ConfigureAwait(false);
            return;
        }
        using (file)
        {
            var intake = new MaildropIntake(file, uid, _sizeLimit, _time)
            {
                CheckSender = _senders is null ? null : sender => _senders.Refuses(uid, sender),
            };
            string? wrong = null;
            while (!intake.Ended && wrong is null && file.Errno == 0)
            {
                var read = await connection.Input.ReadAsync(cancel).ConfigureAwait(false);
                // Writes block: not on the socket's thread.
                wrong = await _threads.RunAsync(() => Take(intake, read.Buffer), cancel).ConfigureAwait(false);
                connection.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted && !intake.Ended && wrong is null)
                {
                    return;
                }
            }
            if (wrong is not null)
            {
                PickupLog.Refused(_log, uid, wrong);
                await AnswerAsync(connection, $"REFUSED {wrong}", cancel).ConfigureAwait(false);
                return;
            }
            // From here on the answer decides nothing: the file is taken or it is not.
            var failed = await _threads.RunAsync(file.Commit, CancellationToken.None).ConfigureAwait(false);
            if (failed != 0)
            {
                PickupLog.Refused(_log, uid, $"write file in {_directory.Path}: {Errno.Text(failed)}");
                await AnswerAsync(connection, "RETRY queue file write error", cancel).ConfigureAwait(false);
                return;
            }
            _trigger();
            await AnswerAsync(connection, $"OK {file.Name}", cancel).ConfigureAwait(false);
        }
    }

    private static string? Take(MaildropIntake intake, in ReadOnlySequence<byte> bytes)
    {
        foreach (var part in bytes)
        {
            if (intake.Take(part.Span) is { } wrong)
            {
                return wrong;
            }
        }
        return null;
    }

    private static async ValueTask AnswerAsync(Connection connection, string line, CancellationToken cancel)
    {
        await connection.Output.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancel).ConfigureAwait(false);
        await connection.Output.FlushAsync(cancel).ConfigureAwait(false);
    }
}
