using System.Text;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>What was said in a session, and which classes of errors it held: the postmaster may get it (notify_classes). Bounded.</summary>
internal sealed class SmtpdTranscript(SmtpdSettings settings)
{
    /// <summary>Characters that are kept; a session that says more is told of by its beginning.</summary>
    private const int Limit = 64 * 1024;
    private const int Width = 78;
    private const int Indent = 4;

    private readonly List<(bool In, string? Text, EhloMask Ehlo)> _lines = [];
    private int _length;
    private int _left;

    /// <summary>How many lines were said.</summary>
    public int Count { get; private set; }

    /// <summary>Classes of what went wrong since a message was last taken.</summary>
    public NoticeClasses Errors { get; private set; }

    /// <summary>Why the session ended before its time, or null.</summary>
    public string? Aborted { get; set; }

    /// <summary>Whether the postmaster wants to know.</summary>
    public bool IsWanted => (Errors & settings.NoticeClasses) != 0;

    /// <summary>A command.</summary>
    public void In(string line) => Add((true, line, default));

    /// <summary>A reply.</summary>
    public void Out(string reply) => Add((false, reply, default));

    /// <summary>The answer to EHLO.</summary>
    public void Ehlo(EhloMask discarded) => Add((false, null, discarded));

    /// <summary>Something was refused.</summary>
    public void Error(NoticeClasses error) => Errors |= error;

    /// <summary>A message was delivered: earlier errors are forgiven.</summary>
    public void Forgive() => Errors = NoticeClasses.None;

    /// <summary>What was said is of no more interest.</summary>
    public void Clear()
    {
        _lines.Clear();
        (_length, _left, Count, Errors) = (0, 0, 0, NoticeClasses.None);
    }

    /// <summary>The lines of the transcript; what the client sent stands behind a blank at least, so that it can't be taken for ours.</summary>
    public void Write(StringBuilder text)
    {
        foreach (var (isIn, line, ehlo) in _lines)
        {
            if (line is not null)
            {
                Wrap(text, (isIn ? "In:  " : "Out: ") + SmtpdLog.Printable(line));
                continue;
            }
            settings.Ehlo.Lines(ehlo).ForEach(offer => Wrap(text, "Out: " + offer));
        }
        if (_left > 0)
        {
            text.Append($" ({_left} more lines)\n");
        }
    }

    private void Add((bool In, string? Text, EhloMask Ehlo) line)
    {
        Count += line.Text is null ? settings.Ehlo.Bytes(line.Ehlo).Count((byte)'\n') : 1;
        _length += (line.Text?.Length ?? 0) + 16;
        if (_length > Limit)
        {
            _left++;
            return;
        }
        _lines.Add(line);
    }

    /// <summary>Lines are broken at blanks; what follows the first stands four further in. A word too long stays whole.</summary>
    private static void Wrap(StringBuilder text, string line)
    {
        var rest = line.AsSpan().TrimEnd();
        var indent = 0;
        while (rest.Length > Width - indent)
        {
            var end = rest[..(Width - indent + 1)].LastIndexOfAny(' ', '\t');
            end = end >= 0 ? end : rest.IndexOfAny(' ', '\t');
            if (end < 0)
            {
                break;
            }
            text.Append(' ', 1 + indent).Append(rest[..end].TrimEnd()).Append('\n');
            rest = rest[end..].TrimStart();
            indent = Indent;
        }
        text.Append(' ', 1 + indent).Append(rest).Append('\n');
    }
}
