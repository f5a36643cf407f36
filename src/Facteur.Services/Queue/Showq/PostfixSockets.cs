using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Tables;

namespace Facteur.Services.Queue.Showq;

/// <summary>
/// What Postfix's own commands ask: public/showq is listed to postqueue -p, public/flush serves postqueue -i and -s, public/qmgr takes the requests of postqueue -f and postkick. Names and
/// values end in NUL, a list of them in one more. The users may what they may on public/control.
/// </summary>
/// <param name="control">The queue.</param>
/// <param name="access">What users may ask.</param>
/// <param name="fastFlush">fast_flush_domains.</param>
/// <param name="limit">How long the peer may take to send a request or to take in a piece of its answer: ipc_timeout.</param>
/// <param name="time">The clock.</param>
public sealed class PostfixSockets(IQueueControl control, ControlAccess access, IDomainList fastFlush, TimeSpan limit, TimeProvider time)
{
    private const int Page = 200;
    private const int RequestLimit = 4096;

    // Postfix: flush_clnt.h.
    private const int Done = 0, Bad = 2, Denied = 3;

    /// <summary>public/showq: the listing, as soon as somebody connects.</summary>
    public async Task ShowqAsync(IDuplexPipe connection, uint uid, CancellationToken cancel)
    {
        if (!(await access.RightsAsync(uid, cancel).ConfigureAwait(false)).HasFlag(ControlRights.List))
        {
            return;
        }
        var output = connection.Output;
        Write(output, "protocol", "mail_queue_list_protocol");
        End(output);
        for (ulong cursor = 0; cursor != ulong.MaxValue;)
        {
            (var messages, cursor) = await control.ListAsync(cursor, Page, cancel).ConfigureAwait(false);
            foreach (var message in messages)
            {
                Write(output, "queue_name", message.QueueName);
                Write(output, "queue_id", message.QueueId);
                Write(output, "time", message.ArrivalSeconds.ToString(CultureInfo.InvariantCulture));
                Write(output, "size", message.Size.ToString(CultureInfo.InvariantCulture));
                Write(output, "forced_expire", message.ForcedExpire ? "1" : "0");
                Write(output, "sender", message.Sender);
                for (var i = 0; i < message.Recipients.Count; i++)
                {
                    Write(output, "recipient", message.Recipients[i].Address);
                    Write(output, "reason", message.Recipients[i].Reason ?? "");
                    if (i % Page == Page - 1 && !await FlushAsync(output, cancel).ConfigureAwait(false))
                    {
                        return;
                    }
                }
                End(output);
                if (!await FlushAsync(output, cancel).ConfigureAwait(false))
                {
                    return;
                }
            }
        }
        End(output);
        await FlushAsync(output, cancel).ConfigureAwait(false);
    }

    /// <summary>public/flush: has mail for a site, or one message, tried now.</summary>
    public async Task FlushAsync(IDuplexPipe connection, uint uid, CancellationToken cancel)
    {
        Write(connection.Output, "protocol", "queue_flush_protocol");
        End(connection.Output);
        if (!await FlushAsync(connection.Output, cancel).ConfigureAwait(false) || await ReadAsync(connection.Input, Attributes, cancel).ConfigureAwait(false) is not { } request)
        {
            return;
        }
        var may = (await access.RightsAsync(uid, cancel).ConfigureAwait(false)).HasFlag(ControlRights.Flush);
        var status = may ? await DoAsync(request, cancel).ConfigureAwait(false) : Denied;
        Write(connection.Output, "status", status.ToString(CultureInfo.InvariantCulture));
        End(connection.Output);
        await FlushAsync(connection.Output, cancel).ConfigureAwait(false);
    }

    /// <summary>public/qmgr: one byte a request. F, A and D have deferred mail tried now; W and I look at what is new, which is never waited for here.</summary>
    public async Task QmgrAsync(IDuplexPipe connection, uint uid, CancellationToken cancel)
    {
        var request = await ReadAsync(connection.Input, bytes => bytes.IsEmpty ? null : Encoding.Latin1.GetString(bytes), cancel).ConfigureAwait(false);
        if (request?.AsSpan().ContainsAny('F', 'A', 'D') == true && (await access.RightsAsync(uid, cancel).ConfigureAwait(false)).HasFlag(ControlRights.Flush))
        {
            await control.FlushAsync(cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask<int> DoAsync(Dictionary<string, string> request, CancellationToken cancel)
    {
        switch (request.GetValueOrDefault("request"))
        {
            case "send_file" when QueueId.TryParse(request.GetValueOrDefault("queue_id"), out var id):
                // Postfix: an id that is not there is no failure.
                await control.FlushMessageAsync(id, cancel).ConfigureAwait(false);
                return Done;
            case "send_site" when request.GetValueOrDefault("site") is { Length: > 0 } site:
                if (await fastFlush.MatchAsync(site, cancel).ConfigureAwait(false) != LookupStatus.Found)
                {
                    return Denied;
                }
                await control.FlushSiteAsync(site, cancel).ConfigureAwait(false);
                return Done;
            default:
                return Bad;
        }
    }

    private static void Write(PipeWriter output, string name, string value)
    {
        Write(output, name);
        Write(output, value);
    }

    private static void Write(PipeWriter output, string text)
    {
        // A NUL would end the value early and make what follows another name.
        Encoding.UTF8.GetBytes(text.Replace('\0', ' '), output);
        End(output);
    }

    private static void End(PipeWriter output) => output.Write("\0"u8);

    private static Dictionary<string, string>? Attributes(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.EndsWith("\0\0"u8))
        {
            return null;
        }
        var texts = Encoding.UTF8.GetString(bytes[..^2]).Split('\0');
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i + 1 < texts.Length; i += 2)
        {
            attributes[texts[i]] = texts[i + 1];
        }
        return attributes;
    }

    private delegate T? Parser<T>(ReadOnlySpan<byte> bytes);

    /// <summary>Reads until there is something that makes sense, the peer's end, too much or too late: then null.</summary>
    private async ValueTask<T?> ReadAsync<T>(PipeReader input, Parser<T> parse, CancellationToken cancel) where T : class
    {
        using var late = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        while (true)
        {
            var read = await input.ReadAsync(either.Token).ConfigureAwait(false);
            var (parsed, length) = (parse(read.Buffer.ToArray()), read.Buffer.Length);
            input.AdvanceTo(parsed is null ? read.Buffer.Start : read.Buffer.End, read.Buffer.End);
            if (parsed is not null || read.IsCompleted || length > RequestLimit)
            {
                return parsed;
            }
        }
    }

    /// <returns>False when the peer reads no more.</returns>
    private async ValueTask<bool> FlushAsync(PipeWriter output, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        return !(await output.FlushAsync(either.Token).ConfigureAwait(false)).IsCompleted;
    }
}
