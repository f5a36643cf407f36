using System.Text;

namespace Facteur.Commands;

/// <summary>What a command may see of the process that runs it, so that tests run commands without one.</summary>
/// <param name="Name">The name it was called by: postconf, mailq, sendmail…</param>
/// <param name="Arguments">Its arguments, without the name.</param>
/// <param name="Input">Standard input.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="Time">The clock.</param>
/// <param name="Environment">The environment.</param>
public sealed record CommandContext(
    string Name, IReadOnlyList<string> Arguments, Stream Input, TextWriter Output, TextWriter Error, TimeProvider Time, IReadOnlyDictionary<string, string> Environment)
{
    /// <summary>Messages are plain ASCII: each byte of another letter, in this encoding, is a question mark; null: letters are shown.</summary>
    public Encoding? LettersAre { get; init; }

    /// <summary>Writes "name: warning: text" to standard error.</summary>
    public void Warn(string text) => Error.WriteLine($"{Name}: warning: {Shown(text)}");

    /// <summary>Writes "name: fatal: text" to standard error.</summary>
    /// <param name="text">What is wrong.</param>
    /// <param name="status">The exit status.</param>
    /// <returns>The exit status.</returns>
    public int Fatal(string text, int status = 1)
    {
        Error.WriteLine($"{Name}: fatal: {Shown(text)}");
        return status;
    }

    /// <summary>A text as messages show it. Postfix: a control character that a file or an argument brings in is a question mark.</summary>
    internal string Shown(string text)
    {
        var shown = LettersAre is { } encoding && text.Any(c => !char.IsAscii(c))
            ? string.Concat(text.EnumerateRunes().Select(r => r.IsAscii ? r.ToString() : new string('?', encoding.GetByteCount(r.ToString())))) : text;
        return shown.Any(c => char.IsControl(c) && c != '\n') ? string.Concat(shown.Select(c => char.IsControl(c) && c != '\n' ? '?' : c)) : shown;
    }
}
