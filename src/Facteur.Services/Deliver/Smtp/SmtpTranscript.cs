using System.IO.Pipelines;
using System.Text;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>What was said in a session, for the postmaster (notify_classes = protocol) and for the log; contents of messages are left out. Bounded.</summary>
/// <param name="kept">Whether the postmaster is to be told.</param>
/// <param name="said">Takes each line as it is said, with ">" for ours and "&lt;" for the server's; or null.</param>
internal sealed class SmtpTranscript(bool kept, Action<char, string>? said)
{
    /// <summary>Characters that are kept; a session that says more is told of by its beginning.</summary>
    private const int Limit = 64 * 1024;

    private readonly List<string> _lines = [];
    private readonly StringBuilder _line = new();
    private int _length;
    private int _left;

    /// <summary>A reply said that we do not speak its language, or was in none.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>Content is on its way, of which nothing is kept.</summary>
    public bool InContent { get; set; }

    /// <summary>A reply, lines separated by LF.</summary>
    public void In(string reply)
    {
        foreach (var line in reply.AsSpan().EnumerateLines())
        {
            Add('<', line.ToString());
        }
    }

    /// <summary>Bytes of commands.</summary>
    public void Out(ReadOnlySpan<byte> bytes)
    {
        if (InContent)
        {
            return;
        }
        foreach (var c in Encoding.UTF8.GetString(bytes))
        {
            if (c == '\n')
            {
                Add('>', _line.ToString());
                _line.Clear();
            }
            else if (c != '\r' && _line.Length < Limit)
            {
                _line.Append(char.IsControl(c) ? '?' : c);
            }
        }
    }

    /// <summary>Something that is no reply.</summary>
    public void Malformed() => HasErrors = kept;

    /// <summary>Postfix, smtp_check_code: replies to commands that the server does not know or takes for malformed. RFC 5321 4.2.1, x0z; 555: RFC 5321 4.1.1.11.</summary>
    public void Check(int code) => HasErrors |= kept && code is < 400 or > 599 or 555 or (>= 500 and < 510);

    /// <summary>The lines, and what they said is forgotten.</summary>
    public void Take(StringBuilder text)
    {
        _lines.ForEach(line => text.Append(line).Append('\n'));
        if (_left > 0)
        {
            text.Append($" ({_left} more lines)\n");
        }
        _lines.Clear();
        (_length, _left, HasErrors) = (0, 0, false);
    }

    private void Add(char sign, string text)
    {
        said?.Invoke(sign, text);
        if (!kept)
        {
            return;
        }
        var line = sign == '<' ? $" In:  {text}" : $" Out: {text}";
        _length += line.Length;
        if (_length > Limit)
        {
            _left++;
            return;
        }
        _lines.Add(line);
    }
}

/// <summary>Writes what a session sends, and into its transcript.</summary>
internal sealed class TranscriptWriter(PipeWriter inner, SmtpTranscript transcript) : PipeWriter
{
    private Memory<byte> _last;

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public override void Advance(int bytes)
    {
        transcript.Out(_last.Span[..bytes]);
        inner.Advance(bytes);
    }

    public override Memory<byte> GetMemory(int sizeHint = 0) => _last = inner.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);
}
