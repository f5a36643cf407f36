using System.Globalization;
using Facteur.Config;

namespace Facteur.Commands.Check;

/// <summary>How much a finding matters.</summary>
public enum FindingLevel : byte
{
    /// <summary>Worth knowing; nothing is wrong.</summary>
    Note = 0,

    /// <summary>Likely not what is wanted.</summary>
    Warning = 1,

    /// <summary>It can't work, or strangers may relay.</summary>
    Error = 2,
}

/// <summary>Something about the configuration.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">Its line; 0 when it is about the whole file.</param>
/// <param name="Level">How much it matters.</param>
/// <param name="Text">What.</param>
public sealed record Finding(string File, int Line, FindingLevel Level, string Text)
{
    /// <summary>"file:line: level: text".</summary>
    public override string ToString() =>
        $"{File}:{(Line > 0 ? Line.ToString(CultureInfo.InvariantCulture) + ":" : "")} {Level switch { FindingLevel.Error => "error", FindingLevel.Warning => "warning", _ => "note" }}: {Text}";
}

/// <summary>All that was found, each thing once.</summary>
internal sealed class Findings
{
    private readonly HashSet<Finding> _all = [];

    /// <summary>In the order of files and lines: main.cf, master.cf, the others.</summary>
    public IEnumerable<Finding> Sorted(SettingPlaces places) =>
        _all.OrderBy(f => f.File == places.MainPath ? 0 : f.File == places.MasterPath ? 1 : 2).ThenBy(f => f.File, StringComparer.Ordinal).ThenBy(f => f.Line).ThenByDescending(f => f.Level)
            .ThenBy(f => f.Text, StringComparer.Ordinal);

    /// <summary>Takes a finding.</summary>
    public void Add(FindingLevel level, (string File, int Line) place, string text) => _all.Add(new Finding(place.File, place.Line, level, text.ReplaceLineEndings(" ")));

    /// <summary>Takes what the loader or a table says: the place that its words name is the finding's.</summary>
    /// <param name="level">How much it matters.</param>
    /// <param name="said">The words.</param>
    /// <param name="otherwise">The place when they name none.</param>
    public void AddSaid(FindingLevel level, string said, (string File, int Line) otherwise)
    {
        var (place, text) = PlaceFirst(said) ?? PlaceLast(said) ?? FileFirst(said) ?? (otherwise, said);
        Add(level, place, text);
    }

    // "file /etc/postfix/master.cf: line 3: text", "/etc/postfix/main.cf, line 3: text", "regexp map /etc/postfix/x, line 3: text"
    private static ((string File, int Line) Place, string Text)? PlaceFirst(string said)
    {
        const string Word = " line ";
        var at = said.IndexOf(Word, StringComparison.Ordinal);
        if (at < 1 || said[at - 1] is not (',' or ':') || Number(said.AsSpan(at + Word.Length), out var digits) is not { } line)
        {
            return null;
        }
        var (name, text) = (said.LastIndexOf(' ', at - 1) + 1, said[(at + Word.Length + digits)..]);
        return said[name] == '/' && said[..name] is var what && (what is "" or "file " || what.EndsWith(" map ", StringComparison.Ordinal)) && text.StartsWith(": ", StringComparison.Ordinal)
            ? ((said[name..(at - 1)], line), text[2..]) : null;
    }

    // "text (/etc/postfix/main.cf, line 3)", "text (/etc/postfix/master.cf, line 3, service smtp/inet)"
    private static ((string File, int Line) Place, string Text)? PlaceLast(string said)
    {
        var start = said.LastIndexOf(" (/", StringComparison.Ordinal);
        if (start < 0 || said[^1] != ')' || said[(start + 2)..^1].Split(", ") is not [var file, var place, .. var service]
            || !place.StartsWith("line ", StringComparison.Ordinal) || Number(place.AsSpan(5), out _) is not { } line)
        {
            return null;
        }
        return ((file, line), service is [var of, ..] ? $"{(of.StartsWith("service ", StringComparison.Ordinal) ? of["service ".Length..] : of)}: {said[..start]}" : said[..start]);
    }

    // "/etc/postfix/main.cf: text"
    private static ((string File, int Line) Place, string Text)? FileFirst(string said) =>
        said is ['/', ..] && said.IndexOf(".cf: ", StringComparison.Ordinal) is > 0 and var end && !said[..end].Contains(' ') ? ((said[..(end + 3)], 0), said[(end + 5)..]) : null;

    private static int? Number(ReadOnlySpan<char> text, out int digits)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        digits = end < 0 ? text.Length : end;
        return int.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }
}
