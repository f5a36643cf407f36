using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Mime;
using Facteur.Services.Server;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>What header_checks(5) and the strict_ parameters say of one message: its rules are asked for each header and line, and what they want done to the whole message is kept here.</summary>
internal sealed class MessageChecks(CleanupOptions options, CleanupLog log, string queueId, Envelope envelope, bool rules) : ICheckHost, IDisposable
{
    /// <summary>Recipients that rules may add; Postfix has no limit but memory.</summary>
    private const int BccLimit = 1000;

    /// <summary>What is wrong with a body that follows its headers without an empty line.</summary>
    public const string Unterminated = "message header was not terminated by empty line";

    private readonly ContentChecks? _checks = rules ? options.Checks : null;
    private MimeErrors _errors;
    private bool _stopped;

    /// <summary>Cuts the message into headers and lines.</summary>
    public MimeScanner Parts { get; } = new(options.MimeLimits, options.ReadsMime);

    /// <summary>The recipient that the log names: the last one given.</summary>
    public string Recipient { get; set; } = "";

    /// <summary>Where all recipients are sent instead, or null.</summary>
    public string? Redirect { get; private set; }

    /// <summary>Recipients to add.</summary>
    public List<string> Bcc { get; } = [];

    /// <summary>How the message fails, or Ok.</summary>
    public CleanupStatus Status { get; private set; }

    /// <summary>The words of the failure, or null for the usual ones.</summary>
    public string? StatusText { get; private set; }

    /// <summary>Lines of bodies are looked at.</summary>
    public bool LooksAtBody => options.StrictBody || (_checks is { HasBody: true } && !_stopped);

    private string Origin => envelope.Origin == MessageOrigin.Smtpd ? $"{envelope.Client.Name}[{envelope.Client.Address}]" : "local";

    /// <summary>Checks a header.</summary>
    public ValueTask<CheckedLine> HeaderAsync(ReadOnlyMemory<byte> header, CancellationToken cancel)
    {
        if (options.StrictHeaders && !Ascii.IsValid(header.Span))
        {
            Wrong(MimeErrors.EightBitHeader, "improper use of 8-bit data in message header", header.Span);
        }
        if (Parts.IsBlind && (_errors & MimeErrors.Nesting) == 0)
        {
            Wrong(MimeErrors.Nesting, "MIME nesting exceeds safety limit", header.Span);
        }
        return _checks is null || _stopped ? new(new CheckedLine(header)) : _checks.HeaderAsync(Parts.Place, header, this, cancel);
    }

    /// <summary>Looks at the headers that ended.</summary>
    public void EndOfHeaders()
    {
        if (options.StrictEncoding && Parts is { IsComposite: true, Encoding: MimeEncoding.Base64 or MimeEncoding.QuotedPrintable })
        {
            Wrong(
                MimeErrors.EncodingDomain, "invalid message/* or multipart/* encoding domain",
                Parts.Encoding == MimeEncoding.Base64 ? "base64"u8 : "quoted-printable"u8);
        }
    }

    /// <summary>The first line of the body, where an empty one belongs (non_empty_end_of_header_action).</summary>
    public void HeaderNotTerminated(ReadOnlySpan<byte> line)
    {
        if (options.HeaderEnd == HeaderEndAction.Reject)
        {
            Wrong(MimeErrors.HeaderEnd, Unterminated, line);
        }
    }

    /// <summary>Checks the line of a body that was found.</summary>
    public ValueTask<CheckedLine> BodyAsync(CancellationToken cancel)
    {
        var line = Parts.Text;
        if (options.StrictBody && Parts.Encoding != MimeEncoding.EightBit && (_errors & MimeErrors.EightBitBody) == 0 && !Ascii.IsValid(line.Span))
        {
            Wrong(MimeErrors.EightBitBody, "improper use of 8-bit data in message body", line.Span);
        }
        return _checks is null || _stopped || (options.BodyChecksSizeLimit > 0 && Parts.Offset >= options.BodyChecksSizeLimit)
            ? new(new CheckedLine(line)) : _checks.BodyAsync(line, this, cancel);
    }

    /// <summary>The message is over: what is wrong with its MIME counts now, for all of that is logged first.</summary>
    public void Finish()
    {
        // The most harmful comes first.
        var text = (_errors & MimeErrors.Nesting) != 0 ? "5.6.0 MIME nesting exceeds safety limit"
            : (_errors & MimeErrors.EightBitHeader) != 0 ? "5.6.0 improper use of 8-bit data in message header"
            : (_errors & MimeErrors.EightBitBody) != 0 ? "5.6.0 improper use of 8-bit data in message body"
            : (_errors & MimeErrors.EncodingDomain) != 0 ? "5.6.0 invalid message/* or multipart/* encoding domain"
            : (_errors & MimeErrors.HeaderEnd) != 0 ? $"5.6.0 {Unterminated}" : null;
        if (text is not null && Status == CleanupStatus.Ok)
        {
            (Status, StatusText) = (CleanupStatus.Rejected, text);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Parts.Dispose();

    void ICheckHost.Did(string action, string kind, ReadOnlySpan<byte> line, string text) => Log(action, kind, line, text);

    void ICheckHost.Warn(string text) => log.Warning(text);

    void ICheckHost.Failed(string parameter, string reason)
    {
        log.CheckProblem(queueId, parameter, reason);
        if (Status == CleanupStatus.Ok)
        {
            Status = CleanupStatus.WriteError;
        }
    }

    void ICheckHost.Act(in CheckAction action, string kind, ReadOnlySpan<byte> line, string parameter)
    {
        var text = action.Words;
        switch (action.Verb)
        {
            case CheckVerb.Reject:
                Reject(text, parameter);
                Log("reject", kind, line, StatusText!);
                _stopped = true;
                break;
            case CheckVerb.Discard:
                Log("discard", kind, line, text);
                envelope.Flags |= MessageFlags.Discard;
                _stopped = true;
                break;
            case CheckVerb.Hold when (envelope.Flags & (MessageFlags.Hold | MessageFlags.Discard)) != 0:
                break;
            case CheckVerb.Hold:
                Log("hold", kind, line, text);
                envelope.Flags |= MessageFlags.Hold;
                break;
            case CheckVerb.Pass:
                Log("pass", kind, line, text);
                _stopped = true;
                break;
            case CheckVerb.Filter when text.Length == 0:
                log.Warning($"missing FILTER command argument in {parameter} map");
                break;
            case CheckVerb.Filter when !text.Contains(':'):
                log.Warning($"bad FILTER command {text} in {parameter} -- need transport:destination");
                break;
            case CheckVerb.Filter:
                Log("filter", kind, line, text);
                envelope.ContentFilter = text;
                break;
            case CheckVerb.Redirect when IsAddress(text, "REDIRECT target", parameter):
                Log("redirect", kind, line, text);
                Redirect = text;
                _stopped = true;
                break;
            case CheckVerb.Bcc when IsAddress(text, "BCC address", parameter):
                Log("bcc", kind, line, text);
                Add(text);
                break;
            case CheckVerb.Redirect or CheckVerb.Bcc:
                break;
            default:
                log.Warning($"unknown command in {parameter} map: {CheckText.Readable(action.Value)}");
                break;
        }
    }

    private void Add(string address)
    {
        // A copy is one, however many lines ask for it.
        if (!Bcc.Contains(address) && Bcc.Count < BccLimit)
        {
            Bcc.Add(address);
        }
    }

    private bool IsAddress(string text, string what, string parameter)
    {
        if (text.Contains('@'))
        {
            return true;
        }
        log.Warning($"bad {what} \"{text}\" in {parameter} map -- need user@domain");
        return false;
    }

    private void Reject(string text, string parameter)
    {
        const string Usual = "message content rejected";
        var code = "5.7.1";
        var words = text;
        if (Mail.Dsn.EnhancedStatus.TryParsePrefix(text, out _, out var length))
        {
            (code, words) = (text[..length], text[length..].TrimStart());
            if (code[0] is not ('4' or '5'))
            {
                log.Warning($"bad DSN action in {text} -- need 4.x.x or 5.x.x");
                code = "4" + code[1..];
            }
        }
        StatusText = $"{code} {(words.Length > 0 ? words : Usual)}";
        // What is refused for now can be had later: it stays with its sender.
        Status = code[0] == '4' ? CleanupStatus.TryAgain : CleanupStatus.Rejected;
    }

    private void Log(string action, string kind, ReadOnlySpan<byte> line, string text)
    {
        var words = new StringBuilder($"{queueId}: {action}: {kind} {CheckText.Shown(line)} from {Origin}; from=<{log.Address(envelope.Sender)}>");
        if (Recipient.Length > 0)
        {
            words.Append($" to=<{log.Address(Recipient)}>");
        }
        if (envelope.Origin == MessageOrigin.Smtpd)
        {
            words.Append($" proto={envelope.Client.Protocol} helo=<{envelope.Client.Helo}>");
        }
        log.Checked(text.Length > 0 ? words.Append(": ").Append(text).ToString() : words.ToString());
    }

    private void Wrong(MimeErrors error, string what, ReadOnlySpan<byte> text)
    {
        if ((_errors & error) == 0)
        {
            _errors |= error;
            log.Checked(
                $"{queueId}: reject: mime-error {what}: {CheckText.Shown(text[..Math.Min(text.Length, 100)])} from {Origin}; from=<{log.Address(envelope.Sender)}> to=<{(Recipient.Length > 0 ? log.Address(Recipient) : "unknown")}>");
        }
    }

    [Flags]
    private enum MimeErrors : byte
    {
        Nesting = 1,
        EightBitHeader = 2,
        EightBitBody = 4,
        EncodingDomain = 8,
        HeaderEnd = 16,
    }
}
