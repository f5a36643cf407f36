namespace Facteur.Config.MainCf;

/// <summary>The settings of a main.cf, as written.</summary>
public sealed class MainCfFile
{
    private readonly Dictionary<string, MainCfEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<string> _errors = [];
    private readonly List<string> _warnings = [];

    private int _warningsBeforeError = int.MaxValue;

    private MainCfFile(string path) => Path = path;

    /// <summary>The file's name.</summary>
    public string Path { get; }

    /// <summary>Settings by name; of several with one name the last.</summary>
    public IReadOnlyDictionary<string, MainCfEntry> Entries => _entries;

    /// <summary>All syntax errors, with file and line.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>Settings that hide earlier ones, and lines that are left out.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Warnings of what stands before the first error: all that a reader sees who stops there.</summary>
    public IEnumerable<string> WarningsBeforeError => _warnings.Take(_warningsBeforeError);

    /// <summary>Reads a text.</summary>
    /// <param name="path">The file's name, for errors.</param>
    /// <param name="text">Its text.</param>
    public static MainCfFile Parse(string path, string text)
    {
        var file = new MainCfFile(path);
        foreach (var line in LogicalLine.Split(text))
        {
            if (line.StartsWrong(path) is { } warning)
            {
                file._warnings.Add(warning);
                continue;
            }
            file.Add(line);
        }
        return file;
    }

    /// <summary>The same file with settings that hide its own, as a command's -o makes them.</summary>
    public MainCfFile With(IEnumerable<KeyValuePair<string, string>> settings)
    {
        var file = new MainCfFile(Path);
        file._errors.AddRange(_errors);
        file._warnings.AddRange(_warnings);
        foreach (var (name, entry) in _entries)
        {
            file._entries[name] = entry;
        }
        foreach (var (name, value) in settings)
        {
            file._entries[name] = new MainCfEntry(value, 0);
        }
        return file;
    }

    /// <summary>The same file without some settings.</summary>
    public MainCfFile Without(IReadOnlySet<string> names)
    {
        var file = With([]);
        foreach (var name in names)
        {
            file._entries.Remove(name);
        }
        return file;
    }

    /// <summary>Takes "name = value" apart; says what is wrong, or null.</summary>
    public static string? SplitNameValue(string text, out string name, out string value)
    {
        var start = 0;
        while (start < text.Length && Spaces.Is(text[start]))
        {
            start++;
        }
        var end = start;
        while (end < text.Length && text[end] != '=' && !Spaces.Is(text[end]))
        {
            end++;
        }
        name = text[start..end];
        value = "";
        if (name.Length == 0)
        {
            return "missing attribute name";
        }
        var rest = Spaces.TrimStart(text[end..]);
        if (rest is not ['=', ..])
        {
            return "missing '=' after attribute name";
        }
        value = Spaces.Trim(rest[1..]);
        return null;
    }

    private void Add(LogicalLine line)
    {
        var text = line.Text;
        var nul = text.IndexOf('\0', StringComparison.Ordinal);
        if (nul >= 0)
        {
            _warnings.Add($"{Path}, line {line.First}: text after null byte may be ignored");
            text = text[..nul];
        }
        if (SplitNameValue(text, out var name, out var value) is { } wrong)
        {
            _warningsBeforeError = Math.Min(_warningsBeforeError, _warnings.Count);
            _errors.Add($"{Path}, line {line.First}: {wrong}: \"{text}\"");
            return;
        }
        if (_entries.TryGetValue(name, out var earlier) && earlier.Value != value)
        {
            _warnings.Add($"{Path}, line {line.First}: overriding earlier entry: {name}={earlier.Value}");
        }
        _entries[name] = new MainCfEntry(value, line.First);
    }
}
