using System.Buffers;
using System.Net.Sockets;
using System.Text;
using Facteur.Net.Connections;

namespace Facteur.Services.Receive.Smtpd.Policy;

/// <summary>One connection to a policy service; one request at a time.</summary>
internal sealed class PolicyConnection(Connection connection, long madeAt)
{
    /// <summary>The service ended the connection in place of an answer. Postfix: strerror(3) of no error.</summary>
    public const string Ended = "Application error";

    private const int AnswerLimit = 64 * 1024;

    /// <summary>TimeProvider.GetTimestamp() when it was made.</summary>
    public long MadeAt => madeAt;

    /// <summary>The same of its last answer.</summary>
    public long UsedAt { get; set; }

    /// <summary>Requests answered.</summary>
    public int Requests { get; private set; }

    /// <summary>Sends a request and reads the answer.</summary>
    /// <param name="request">The request.</param>
    /// <param name="end">Aborts the connection: its time is over, or the session.</param>
    /// <returns>The action, or null and what went wrong.</returns>
    public async ValueTask<(string? Action, string Error)> AskAsync(string request, CancellationToken end)
    {
        await using var abort = end.UnsafeRegister(static connection => ((Connection)connection!).Abort(), connection).ConfigureAwait(false);
        try
        {
            await connection.Output.WriteAsync(Encoding.UTF8.GetBytes(request), CancellationToken.None).ConfigureAwait(false);
            while (true)
            {
                var result = await connection.Input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                if (IsWhole(result.Buffer, out var answer, out var position))
                {
                    connection.Input.AdvanceTo(position);
                    Requests++;
                    return Action(answer);
                }
                var length = result.Buffer.Length;
                connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                if (result.IsCompleted || length > AnswerLimit)
                {
                    return (null, end.IsCancellationRequested ? Connector.TimedOut : result.IsCompleted ? Ended : "the answer is too long");
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            return (null, end.IsCancellationRequested ? Connector.TimedOut : "Broken pipe");
        }
    }

    public ValueTask CloseAsync() => connection.DisposeAsync();

    /// <summary>Finds the action among the attributes of an answer; others say nothing here.</summary>
    internal static (string? Action, string Error) Action(string answer)
    {
        string? action = null;
        foreach (var line in answer.Split('\n'))
        {
            if (line.StartsWith("action=", StringComparison.Ordinal))
            {
                action ??= SmtpdLog.Printable(line[7..].TrimEnd('\r'));
            }
        }
        return (action, action is null ? "the answer has no action" : "");
    }

    private static bool IsWhole(ReadOnlySequence<byte> buffer, out string answer, out SequencePosition end)
    {
        answer = "";
        end = buffer.Start;
        var reader = new SequenceReader<byte>(buffer);
        while (reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            if (line.IsEmpty || (line.Length == 1 && line.FirstSpan[0] == '\r'))
            {
                end = reader.Position;
                answer = Encoding.UTF8.GetString(buffer.Slice(0, end));
                return true;
            }
        }
        return false;
    }
}
