using System.Net.Sockets;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Net.Connections;
using Facteur.Spool.Maildrop;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// A message on its way into maildrop: straight into the directory for those who may write it, else through a set-gid postdrop(1), and where nothing is
/// set-gid through the submission service. The way is chosen before the first byte: from then on a failure is the message's.
/// Nothing is kept of a message without <see cref="Commit"/>. Errors are texts for the user; sendmail(1) ends with status 75 for all of them.
/// </summary>
internal abstract class Submission : IDisposable
{
    /// <summary>What went wrong first, or null.</summary>
    public string? Error { get; protected set; }

    /// <summary>The message itself is at fault: sent again as it is, it would be refused again.</summary>
    public bool Refused { get; protected set; }

    /// <summary>Opens the way that is open to this user.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="time">The clock.</param>
    public static Submission Open(IConfig config, TimeProvider time)
    {
        var directory = new MaildropDirectory(config.Get(CommonParameters.QueueDirectory));
        return directory.IsOurs() ? new DirectSubmission(config, directory, time)
            : PostdropSubmission.TryStart(config, directory) ?? (Submission)new SocketSubmission(config);
    }

    /// <summary>Has pickup look at maildrop. The message is durable: whatever is wrong now, its program must not hear that it was not taken.</summary>
    public static void WakePickup(string queueDirectory)
    {
        try
        {
            UnixSubmitClient.TryTrigger(Path.Combine(queueDirectory, "public", "pickup"), (byte)'W');
        }
        catch (Exception)
        {
            // Without memory, threads or descriptors for a socket: pickup looks by itself.
        }
    }

    /// <summary>Takes bytes of records.</summary>
    public abstract void Write(ReadOnlySpan<byte> records);

    /// <summary>Ends the message.</summary>
    /// <returns>Null when it is durable, else what is wrong.</returns>
    public abstract string? Commit();

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Writes the file itself.</summary>
internal sealed class DirectSubmission : Submission
{
    private readonly string _queueDirectory;
    private readonly MaildropFile? _file;
    private readonly MaildropIntake? _intake;
    private readonly EndSignals? _signals;
    private readonly LoginSenders? _senders;

    /// <summary>Makes the file.</summary>
    public DirectSubmission(IConfig config, MaildropDirectory directory, TimeProvider time)
    {
        _queueDirectory = config.Get(CommonParameters.QueueDirectory);
        var errno = directory.Create(time, out _file);
        Error = _file is null ? $"create file in {directory.Path}: {Errno.Text(errno)}" : null;
        _signals = _file is null ? null : new EndSignals(_file);
        // The owner of the mail system's files is not always who asks: a file of root's is root's.
        _senders = LoginSenders.Of(config, time);
        _intake = _file is null ? null : new MaildropIntake(_file, Libc.getuid(), config.Get(CommonParameters.MessageSizeLimit), time)
        {
            CheckSender = _senders is null ? null : sender => _senders.Refuses(Libc.getuid(), sender),
        };
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> records)
    {
        if (Error is null && _intake?.Take(records) is { } wrong)
        {
            (Error, Refused) = (wrong, true);
        }
    }

    /// <inheritdoc/>
    public override string? Commit()
    {
        if (Error is not null || _file is null || _intake is not { Ended: true })
        {
            return Error ?? "message is not complete";
        }
        var errno = _file.Commit();
        if (errno != 0)
        {
            return Error = $"write file in maildrop: {Errno.Text(errno)}";
        }
        WakePickup(_queueDirectory);
        return null;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _signals?.Dispose();
        _file?.Dispose();
        _senders?.Dispose();
    }
}

/// <summary>Hands the records to the submission service, which asks the kernel who we are.</summary>
internal sealed class SocketSubmission : Submission
{
    private readonly UnixSubmitClient? _client;

    /// <summary>Connects.</summary>
    public SocketSubmission(IConfig config)
    {
        var path = Path.Combine(config.Get(CommonParameters.QueueDirectory), "submit");
        try
        {
            _client = UnixSubmitClient.Connect(path);
        }
        catch (SocketException e)
        {
            Error = $"connect to {path}: {e.Message}";
        }
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> records)
    {
        if (Error is not null)
        {
            return;
        }
        try
        {
            _client?.Send(records);
        }
        catch (SocketException e)
        {
            // A service that refuses says why before it ends the connection.
            Fail(_client?.ReadLine(), e.Message);
        }
    }

    /// <inheritdoc/>
    public override string? Commit()
    {
        if (Error is not null)
        {
            return Error;
        }
        // The end was sent: without an answer the message may be in maildrop, so another way in would make two of it.
        var answer = _client?.ReadLine();
        if (answer is null || !answer.StartsWith("OK ", StringComparison.Ordinal))
        {
            Fail(answer, "no answer");
        }
        return Error;
    }

    /// <inheritdoc/>
    public override void Dispose() => _client?.Dispose();

    // "RETRY reason" or "REFUSED reason".
    private void Fail(string? answer, string otherwise)
    {
        Refused = answer is not null && answer.StartsWith("REFUSED ", StringComparison.Ordinal);
        Error = answer is null ? $"submission service: {otherwise}" : answer.IndexOf(' ', StringComparison.Ordinal) is > 0 and var blank ? answer[(blank + 1)..] : answer;
    }
}
