using static Facteur.Config.LineEditor;

namespace Facteur.Config.MasterCf;

/// <summary>Changes services in the text of a master.cf and keeps all else: comments, blank lines, order, other services byte for byte.</summary>
public static class MasterCfEditor
{
    /// <summary>Changes services.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="change">The service's new form; the same object to keep it, null to remove it.</param>
    public static string Change(string text, Func<MasterLine, MasterLine?> change) =>
        Edit(text, line =>
        {
            if (MasterLine.Parse(line, 0, out _) is not { } service)
            {
                return (Verdict.Keep, null);
            }
            var changed = change(service);
            return ReferenceEquals(changed, service) ? (Verdict.Keep, null)
                : (Verdict.Replace, changed is null ? null : MasterFormat.Format(changed, fold: true));
        }, commentsFirst: true).ToString();

    /// <summary>Turns services into comments.</summary>
    public static string CommentOut(string text, Func<MasterLine, bool> which) =>
        Edit(text, line => (MasterLine.Parse(line, 0, out _) is { } service && which(service) ? Verdict.CommentOut : Verdict.Keep, null)).ToString();
}
