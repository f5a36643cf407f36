using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Smtpd.Proxy;

/// <summary>
/// A message that the filter gets when all of it is here (speed_adjust): a slow client then occupies no filter. What the client said is kept, and its content: a
/// short one in memory, a longer one in a file without a name, which is gone with the process. message_size_limit and smtpd_recipient_limit bound both.
/// What the filter says to the first command that it refuses is the reply to the content: it can't refuse some of the recipients.
/// </summary>
/// <param name="open">Begins the message at the filter.</param>
/// <param name="file">Opens a file for content.</param>
/// <param name="log">The log.</param>
internal sealed class HeldMessage(Func<ValueTask<(ProxyMessage? Message, string Reply)>> open, Func<Stream> file, SmtpdLog log) : IProxyMessage
{
    private const int MemoryLimit = 64 * 1024;

    private readonly List<string> _commands = [];
    private Stream _content = new MemoryStream();
    private bool _lost;

    /// <inheritdoc/>
    public ulong Id => 0;

    /// <summary>None: the filter, or who is behind it, queues the message.</summary>
    public string QueueId => "";

    /// <inheritdoc/>
    public bool RecipientsFromHeaders { get; set; }

    /// <summary>The filter is told the commands in which the client named them.</summary>
    public void AddRecipient(EnvelopeRecipient recipient)
    {
    }

    /// <inheritdoc/>
    public ValueTask<string> AskAsync(string command)
    {
        _commands.Add(command);
        return new(SmtpdReplies.RecipientOk);
    }

    /// <inheritdoc/>
    public ValueTask<string?> BeginDataAsync() => new((string?)null);

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (_lost)
        {
            return;
        }
        try
        {
            if (_content is MemoryStream memory && memory.Length + content.Length > MemoryLimit)
            {
                _content = file();
                memory.Position = 0;
                await memory.CopyToAsync(_content, cancel).ConfigureAwait(false);
            }
            await _content.WriteAsync(content, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Warning($"save content for the proxy filter: {e.Message}");
            _lost = true;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<string> EndDataAsync()
    {
        if (_lost)
        {
            return SmtpdReplies.WriteError;
        }
        var (message, reply) = await open().ConfigureAwait(false);
        if (message is null)
        {
            return Refusal(reply);
        }
        await using (message.ConfigureAwait(false))
        {
            foreach (var command in _commands)
            {
                reply = await message.AskAsync(command).ConfigureAwait(false);
                if (reply[0] != '2')
                {
                    return Refusal(reply);
                }
            }
            return await message.BeginDataAsync().ConfigureAwait(false) is { } refusal ? Refusal(refusal) : await ReplayAsync(message).ConfigureAwait(false);
        }
    }

    /// <summary>Not the way a message ends here: <see cref="EndDataAsync"/>.</summary>
    public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel) => new(new CleanupResult(CleanupStatus.WriteError));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _content.DisposeAsync();

    private async ValueTask<string> ReplayAsync(ProxyMessage message)
    {
        try
        {
            _content.Position = 0;
            var buffer = new byte[16 * 1024];
            for (int length; (length = await _content.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
            {
                await message.WriteAsync(buffer.AsMemory(0, length), CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (IOException e)
        {
            log.Warning($"read content for the proxy filter: {e.Message}");
            return SmtpdReplies.WriteError;
        }
        return await message.EndDataAsync().ConfigureAwait(false);
    }

    // Said where a success would mean that the message was taken.
    private static string Refusal(string reply) => reply[0] is '4' or '5' ? reply : SmtpdReplies.WriteError;
}
