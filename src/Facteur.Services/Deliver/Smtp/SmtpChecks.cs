using System.Buffers;
using Facteur.Mail.Mime;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>smtp_header_checks and the like, on the content of one delivery as it goes out: lines are changed, the message itself can't be any more.</summary>
internal sealed class SmtpChecks(ContentChecks checks, MimeLimits limits, string queueId, SmtpLog log) : ICheckHost, IDisposable
{
    private readonly MimeScanner _parts = new(limits);
    private readonly ArrayBufferWriter<byte> _output = new();

    /// <summary>A table can't answer: what came since is not checked and must not be used.</summary>
    internal bool HasFailed { get; private set; }

    /// <summary>Checks the next piece.</summary>
    /// <returns>What can be said of it by now; valid until the next call.</returns>
    internal async ValueTask<ReadOnlyMemory<byte>> ConvertAsync(ReadOnlyMemory<byte> content)
    {
        _output.ResetWrittenCount();
        for (var found = _parts.Next(ref content); found != MimeScan.NeedInput && !HasFailed; found = _parts.Next(ref content))
        {
            await TakeAsync(found).ConfigureAwait(false);
        }
        return _output.WrittenMemory;
    }

    /// <summary>The content is over.</summary>
    /// <returns>What was held back.</returns>
    internal async ValueTask<ReadOnlyMemory<byte>> FinishAsync()
    {
        _output.ResetWrittenCount();
        for (var found = _parts.Finish(); found != MimeScan.End && !HasFailed; found = _parts.Finish())
        {
            await TakeAsync(found).ConfigureAwait(false);
        }
        return _output.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => _parts.Dispose();

    void ICheckHost.Did(string action, string kind, ReadOnlySpan<byte> line, string text) => log.Checked(queueId, action, kind, CheckText.Shown(line), text);

    // Postfix: the message was accepted, so that it can't be refused, held or sent elsewhere here.
    void ICheckHost.Act(in CheckAction action, string kind, ReadOnlySpan<byte> line, string parameter) =>
        log.Misused($"unsupported command in {parameter} map: {CheckText.Readable(action.Value)}");

    void ICheckHost.Warn(string text) => log.Misused(text);

    void ICheckHost.Failed(string parameter, string reason)
    {
        log.Misused(reason);
        log.Misused($"{queueId}: {parameter} lookup error");
        HasFailed = true;
    }

    private async ValueTask TakeAsync(MimeScan found)
    {
        switch (found)
        {
            case MimeScan.Header:
                Put(await checks.HeaderAsync(_parts.Place, _parts.Text, this, CancellationToken.None).ConfigureAwait(false), ends: true);
                break;
            case MimeScan.Body:
                Put(await checks.BodyAsync(_parts.Text, this, CancellationToken.None).ConfigureAwait(false), _parts.EndsLine);
                break;
            case MimeScan.MailboxLine:
                Put(new CheckedLine(_parts.Text), ends: true);
                break;
            case MimeScan.EndOfHeaders when _parts.BlankLine:
                Put(default, ends: true);
                break;
        }
    }

    private void Put(in CheckedLine line, bool ends)
    {
        if (!line.Before.IsEmpty)
        {
            _output.Write(line.Before.Span);
            _output.Write("\n"u8);
        }
        if (!line.Dropped)
        {
            _output.Write(line.Text.Span);
            _output.Write(ends ? "\n"u8 : default);
        }
    }
}
