using System.Globalization;

namespace Facteur.Config.MasterCf;

/// <summary>The services of a master.cf (master(5)).</summary>
public sealed class MasterCfFile
{
    private readonly List<MasterLine> _lines = [];
    private readonly List<string> _errors = [];
    private readonly List<string> _leftOut = [];

    private MasterCfFile(string path) => Path = path;

    /// <summary>The file's name.</summary>
    public string Path { get; }

    /// <summary>The services as written, in order; also those that a later one with the same name and type replaces.</summary>
    public IReadOnlyList<MasterLine> Lines => _lines;

    /// <summary>All errors, with file and line.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>Warnings of lines that are left out.</summary>
    public IReadOnlyList<string> LeftOut => _leftOut;

    /// <summary>Reads a text.</summary>
    /// <param name="path">The file's name, for errors.</param>
    /// <param name="text">Its text.</param>
    /// <param name="warnings">Where given, it takes what is wrong with arguments, and a field's value that is not valid is an error: what postconf(1) makes of a file.</param>
    public static MasterCfFile Parse(string path, string text, ICollection<string>? warnings = null)
    {
        var file = new MasterCfFile(path);
        foreach (var logical in LogicalLine.Split(text))
        {
            if (logical.StartsWrong(path) is { } warning)
            {
                file._leftOut.Add(warning);
            }
            else if (MasterLine.Parse(logical.Text, logical.First, out var wrong, warnings) is not { } line)
            {
                file._errors.Add(file.At(logical.First, wrong!));
            }
            else if (warnings is not null && InvalidField(line) is { } invalid)
            {
                file._errors.Add($"{invalid} in \"{logical.Text}\"");
            }
            else
            {
                file._lines.Add(line);
            }
        }
        return file;
    }

    /// <summary>The services with their values, of several with one name and type the last at the first's place; what is wrong is added to <paramref name="errors"/>.</summary>
    /// <param name="errors">Gets all errors, with file and line.</param>
    /// <param name="chrootByDefault">What "-" in the chroot field means: no, but yes where compatibility_level is below 1.</param>
    /// <param name="broken">Gets the entries whose options and arguments are wrong, with that error: all else of them is right.</param>
    public IReadOnlyList<MasterEntry> ReadEntries(ICollection<string> errors, bool chrootByDefault = false, ICollection<(MasterEntry Entry, string Error)>? broken = null)
    {
        var entries = new List<MasterEntry>(_lines.Count);
        var places = new Dictionary<(string, ServiceType), int>();
        foreach (var line in _lines)
        {
            var entry = Entry(line, chrootByDefault, out var wrong);
            if (wrong is not null)
            {
                errors.Add(At(line.Line, wrong));
            }
            if (entry is not null && wrong is not null)
            {
                broken?.Add((entry, At(line.Line, wrong)));
            }
            if (entry is not null && (wrong is null || broken is not null))
            {
                if (places.TryAdd((entry.Name, entry.Type), entries.Count))
                {
                    entries.Add(entry);
                }
                else
                {
                    entries[places[(entry.Name, entry.Type)]] = entry;
                }
            }
        }
        return entries;
    }

    /// <summary>What is wrong with the value of a field, by its index in <see cref="MasterLine.FieldNames"/>; or null.</summary>
    public static string? CheckField(int field, string value)
    {
        var (good, expected) = field switch
        {
            1 => (MasterEntry.TypeOf(value) is not null, "inet, unix, unix-dgram, fifo or pass"),
            2 or 3 or 4 => (value is "y" or "n" or "-", "y, n or -"),
            5 => (value == "-" || Number(value.EndsWith('?') ? value[..^1] : value) is not null, "seconds, seconds? or -"),
            6 => (value == "-" || Number(value) is not null, "a number or -"),
            _ => (value.Length > 0, "a word"),
        };
        return good ? null : $"field \"{MasterLine.FieldNames[field]}\": bad value: \"{value}\": expected {expected}";
    }

    /// <summary>Names the first field whose value is not valid; null when all are.</summary>
    public static string? InvalidField(MasterLine line)
    {
        var field = Enumerable.Range(0, MasterLine.FieldNames.Count).FirstOrDefault(i => CheckField(i, line.Fields[i]) is not null, -1);
        return field < 0 ? null : $"invalid {MasterLine.FieldNames[field]} field \"{line.Fields[field]}\"";
    }

    private static MasterEntry? Entry(MasterLine line, bool chrootByDefault, out string? wrong)
    {
        for (var field = 0; field < MasterLine.FieldNames.Count; field++)
        {
            if ((wrong = CheckField(field, line.Fields[field])) is not null)
            {
                return null;
            }
        }
        var type = MasterEntry.TypeOf(line.Type)!.Value;
        if (type == ServiceType.Inet && line.Fields[2] != "n")
        {
            wrong = $"inet service cannot be private: expected n in field \"private\", found \"{line.Fields[2]}\"";
            return null;
        }
        var options = Options(line);
        wrong = options.Wrong ?? (options.Arguments.Count > 0 && ServicePrograms.Has(line.Command) && !ServicePrograms.TakesArguments(line.Command) ? $"unexpected command-line argument: {options.Arguments[0]}" : null);
        var wakeup = line.Fields[5];
        return new MasterEntry(
            line.Name, type, line.Fields[2] != "n", line.Fields[3] != "n", line.Fields[4] == "y" || (line.Fields[4] == "-" && chrootByDefault), Number(wakeup.TrimEnd('?')) ?? 0, wakeup.EndsWith('?'),
            Number(line.Fields[6]), line.Command, options.Arguments, options.Overrides, options.Verbose, options.Debug, line.Line);
    }

    /// <summary>
    /// The options of Postfix's skeleton of a service, by getopt(3): -o, -v and -D are for master.cf, the others are what its master says (-s, how many sockets; -i and -m, how long and how often a
    /// process is used; -n, -t, -u, -c, -l, -z, fields of the entry). Those have nothing to say here, and are no mistake.
    /// </summary>
    private static (List<KeyValuePair<string, string>> Overrides, int Verbose, bool Debug, IReadOnlyList<string> Arguments, string? Wrong) Options(MasterLine line)
    {
        const string withValue = "imnost", alone = "cdDlSuvVz";
        // Postfix: -o values may say $service_name; so each service has its own.
        var overrides = new List<KeyValuePair<string, string>> { new("service_name", line.Name), new("process_name", line.Command) };
        var (verbose, debug, at, wrong) = (0, false, 0, default(string));
        for (; at < line.Arguments.Count && line.Arguments[at] is ['-', _, ..] and var word; at++)
        {
            if (word == "--")
            {
                at++;
                break;
            }
            for (var i = 1; i < word.Length; i++)
            {
                var letter = word[i];
                verbose += letter == 'v' ? 1 : 0;
                debug |= letter == 'D';
                if (!withValue.Contains(letter, StringComparison.Ordinal))
                {
                    wrong ??= alone.Contains(letter, StringComparison.Ordinal) ? null : $"invalid option: {letter}";
                    continue;
                }
                if (i + 1 == word.Length && at + 1 == line.Arguments.Count)
                {
                    wrong ??= $"invalid option: {letter}: expected a value";
                    break;
                }
                var value = i + 1 < word.Length ? word[(i + 1)..] : line.Arguments[++at];
                if (letter == 's' && Number(value) is null or 0)
                {
                    wrong ??= $"invalid socket_count: {value}";
                }
                if (letter == 'o')
                {
                    var bad = MainCf.MainCfFile.SplitNameValue(value, out var name, out var setting);
                    if (bad is null)
                    {
                        overrides.Add(new(name, setting));
                    }
                    wrong ??= bad is null ? null : $"-o: {bad}: \"{value}\": expected name=value";
                }
                break;
            }
        }
        return (overrides, verbose, debug, [.. line.Arguments.Skip(at)], wrong);
    }

    private string At(int line, string text) => $"file {Path}: line {line}: {text}";

    // Postfix: digits are a number, however many there are.
    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : text.Length > 0 && text.All(char.IsAsciiDigit) ? int.MaxValue : null;
}
