using System.Net.Sockets;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;
using Facteur.Net.Connections;

namespace Facteur.Services.Receive.Smtpd.Proxy;

/// <summary>
/// A message on its way through the filter, where otherwise cleanup takes it. After the first failure nothing more is sent: every reply is 451 then, and a filter
/// that saw no final dot has no message.
/// </summary>
internal sealed class ProxyMessage(Connection connection, string name, TimeSpan timeout, SmtpdLog log, TimeProvider time) : IProxyMessage
{
    private DotStuffer _dots = new(0);
    private bool _lost;
    private bool _inData;

    /// <inheritdoc/>
    public ulong Id => 0;

    /// <summary>None: the filter, or who is behind it, queues the message.</summary>
    public string QueueId => "";

    /// <inheritdoc/>
    public bool RecipientsFromHeaders { get; set; }

    /// <summary>Recipients were told to the filter one by one, when the client named them.</summary>
    public void AddRecipient(EnvelopeRecipient recipient)
    {
    }

    /// <summary>Says a command and reads the reply.</summary>
    /// <param name="command">Without line end, what is not printable replaced; null to read only.</param>
    /// <param name="wanted">First digit of the reply that is hoped for; another is logged. '\0': whatever it is, the caller says it.</param>
    /// <returns>The reply for the client, its lines separated by CR LF.</returns>
    public async ValueTask<string> AskAsync(string? command, char wanted)
    {
        if (_lost)
        {
            return SmtpdReplies.WriteError;
        }
        using var end = new CancellationTokenSource(timeout, time);
        await using var abort = end.Token.UnsafeRegister(static connection => ((Connection)connection!).Abort(), connection).ConfigureAwait(false);
        try
        {
            if (command is not null)
            {
                await connection.Output.WriteAsync(Encoding.UTF8.GetBytes(SmtpdLog.Printable(command) + "\r\n"), CancellationToken.None).ConfigureAwait(false);
            }
            while (true)
            {
                var read = await connection.Input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                var found = SmtpReplyParser.Parse(read.Buffer, wantText: true, out _, out var text, out var behind);
                if (found == ReplyParse.Done)
                {
                    connection.Input.AdvanceTo(behind);
                    if (wanted != '\0' && text[0] != wanted)
                    {
                        log.ProxyRejected(name, command ?? "connection request", text);
                    }
                    return text.Replace("\n", "\r\n", StringComparison.Ordinal);
                }
                if (found == ReplyParse.Malformed)
                {
                    log.ProxyGarbage(name, text);
                    return Lose();
                }
                connection.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                if (read.IsCompleted)
                {
                    return Lose(end.IsCancellationRequested);
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            return Lose(end.IsCancellationRequested);
        }
    }

    /// <inheritdoc/>
    public ValueTask<string> AskAsync(string command) => AskAsync(command, '2');

    /// <inheritdoc/>
    public async ValueTask<string?> BeginDataAsync()
    {
        var reply = await AskAsync("DATA", '3').ConfigureAwait(false);
        _inData = reply[0] == '3';
        // A success that is none to us must not look like one to the client.
        return _inData ? null : reply[0] == '2' ? SmtpdReplies.WriteError : reply;
    }

    /// <inheritdoc/>
    public async ValueTask<string> EndDataAsync()
    {
        if (!_dots.AtLineStart)
        {
            // The dot ends content only in a line of its own.
            await WriteAsync("\n"u8.ToArray(), CancellationToken.None).ConfigureAwait(false);
        }
        var reply = await AskAsync(".", '\0').ConfigureAwait(false);
        _inData = false;
        return reply[0] == '3' ? SmtpdReplies.WriteError : reply;
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (_lost)
        {
            return;
        }
        using var end = new CancellationTokenSource(timeout, time);
        await using var abort = end.Token.UnsafeRegister(static connection => ((Connection)connection!).Abort(), connection).ConfigureAwait(false);
        try
        {
            while (!content.IsEmpty)
            {
                var room = connection.Output.GetMemory(Math.Max(4096, DotStuffer.LeastRoom));
                var written = _dots.Encode(content.Span, room.Span, out var consumed);
                connection.Output.Advance(written);
                content = content[consumed..];
                if ((await connection.Output.FlushAsync(CancellationToken.None).ConfigureAwait(false)).IsCompleted)
                {
                    Lose();
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            Lose(end.IsCancellationRequested);
        }
    }

    /// <summary>Not the way a message ends here: <see cref="EndDataAsync"/>.</summary>
    public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel) => new(new CleanupResult(CleanupStatus.WriteError));

    /// <summary>Leaves the filter: politely between commands, at once within content, which is none without its end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_lost && !_inData)
        {
            try
            {
                await connection.Output.WriteAsync("QUIT\r\n"u8.ToArray(), CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // It went first.
            }
        }
        if (_inData)
        {
            connection.Abort();
        }
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private string Lose(bool timedOut)
    {
        log.ProxyLost(name, timedOut);
        return Lose();
    }

    private string Lose()
    {
        _lost = true;
        return SmtpdReplies.WriteError;
    }
}
