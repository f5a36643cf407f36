using System.Globalization;
using System.Text.RegularExpressions;
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
internal sealed partial class Findings
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
        var match = PlaceFirst().Match(said) is { Success: true } first ? first : PlaceLast().Match(said);
        if (match.Success && int.TryParse(match.Groups["line"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var line))
        {
            Add(level, (match.Groups["file"].Value, line), match.Groups["service"] is { Success: true } service ? $"{service.Value}: {match.Groups["text"].Value}" : match.Groups["text"].Value);
        }
        else if (FileFirst().Match(said) is { Success: true } file)
        {
            Add(level, (file.Groups["file"].Value, 0), file.Groups["text"].Value);
        }
        else
        {
            Add(level, otherwise, said);
        }
    }

    // "file /etc/postfix/master.cf: line 3: text", "/etc/postfix/main.cf, line 3: text", "regexp map /etc/postfix/x, line 3: text"
    [GeneratedRegex(@"^(?:(?:file|[a-z]+ map) )?(?<file>/[^\s,:]+)(?:,|:) line (?<line>\d+): (?<text>.*)$", RegexOptions.Singleline)]
    private static partial Regex PlaceFirst();

    // "/etc/postfix/main.cf: text"
    [GeneratedRegex(@"^(?<file>/[^\s:]+\.cf): (?<text>.*)$", RegexOptions.Singleline)]
    private static partial Regex FileFirst();

    // "text (/etc/postfix/main.cf, line 3)", "text (/etc/postfix/master.cf, line 3, service smtp/inet)"
    [GeneratedRegex(@"^(?<text>.*) \((?<file>/[^\s,]+), line (?<line>\d+)(?:, service (?<service>[^)]*))?\)$", RegexOptions.Singleline)]
    private static partial Regex PlaceLast();
}
