using static Facteur.Config.LineEditor;

namespace Facteur.Config.MasterCf;

/// <summary>Changes services in the text of a master.cf and keeps all else: comments, blank lines, order, other services byte for byte.</summary>
/// <param name="path">The file's name, for messages.</param>
/// <param name="text">The file's text.</param>
public sealed class MasterCfEditor(string path, string text)
{
    /// <summary>Puts other entries in the place of some.</summary>
    /// <param name="which">Which.</param>
    /// <param name="change">The new form; null removes the entry.</param>
    /// <param name="commentsFirst">Whether comments within the entry come before its new form (Postfix: postconf -Fe, -Pe) or after it (-Me).</param>
    public string Change(Func<WrittenEntry, bool> which, Func<WrittenEntry, MasterLine?> change, bool commentsFirst) =>
        Edit(text, (line, number) => Entry(line, number) is not { } entry || !which(entry) ? (Verdict.Keep, null)
            : (Verdict.Replace, change(entry) is { } changed ? MasterFormat.Format(changed, fold: true) : null), commentsFirst).ToString();

    /// <summary>Turns entries into comments.</summary>
    /// <param name="which">Which.</param>
    public string CommentOut(Func<WrittenEntry, bool> which) =>
        Edit(text, (line, number) => (Entry(line, number) is { } entry && which(entry) ? Verdict.CommentOut : Verdict.Keep, null)).ToString();

    // A first line that starts with white space continues none, and is no entry.
    private WrittenEntry? Entry(string line, int number) => Spaces.Is(line[0]) ? null : WrittenEntry.Of(line, $"file {path}: line {number}");
}
