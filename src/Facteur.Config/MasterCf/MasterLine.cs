using Facteur.Config.Expansion;

namespace Facteur.Config.MasterCf;

/// <summary>A service of master.cf as written: eight fields or more, the options of its command in one shape ("-o", "name=value").</summary>
/// <param name="Fields">name, type, private, unprivileged, chroot, wakeup, process limit, command.</param>
/// <param name="Arguments">The command's arguments; braces around them are gone.</param>
/// <param name="Line">The line it starts on.</param>
public sealed record MasterLine(IReadOnlyList<string> Fields, IReadOnlyList<string> Arguments, int Line)
{
    internal const string Blanks = " \t\r\n\f\v";

    /// <summary>Names of the fields, as "postconf -F" shows them.</summary>
    public static IReadOnlyList<string> FieldNames { get; } = ["service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"];

    /// <summary>Its name.</summary>
    public string Name => Fields[0];

    /// <summary>Its type as written.</summary>
    public string Type => Fields[1];

    /// <summary>Its program.</summary>
    public string Command => Fields[7];

    /// <summary>Number of leading arguments that are options of the service skeleton: -o with its value, -v, -D; after the first other word there are none.</summary>
    public int OptionCount
    {
        get
        {
            var at = 0;
            while (at < Arguments.Count && Arguments[at] is ['-', _, ..] and not "--")
            {
                at += Arguments[at] == "-o" && at + 1 < Arguments.Count ? 2 : 1;
            }
            return at;
        }
    }

    /// <summary>name=value of each -o, in order.</summary>
    public IEnumerable<KeyValuePair<string, string>> Settings
    {
        get
        {
            for (var i = 0; i + 1 < OptionCount; i++)
            {
                if (Arguments[i] == "-o" && MainCf.MainCfFile.SplitNameValue(Arguments[++i], out var name, out var value) is null)
                {
                    yield return new(name, value);
                }
            }
        }
    }

    /// <summary>Takes a logical line apart.</summary>
    /// <param name="text">The line.</param>
    /// <param name="number">Its number.</param>
    /// <param name="wrong">What is wrong, or null.</param>
    /// <param name="warnings">Where given, it takes what is wrong with an argument, and the line is taken as far as it can be read.</param>
    public static MasterLine? Parse(string text, int number, out string? wrong, ICollection<string>? warnings = null)
    {
        var words = Braces.Split(text, Blanks);
        if (words.Count < FieldNames.Count)
        {
            wrong = "bad field count";
            return null;
        }
        var arguments = new List<string>();
        for (var i = FieldNames.Count; i < words.Count; i++)
        {
            var word = words[i];
            if (word is ['{', ..])
            {
                wrong = Braces.Strip(word, out word);
                if (warnings is not null && i > FieldNames.Count && words[i - 1].EndsWith('o') && words[i - 1] is ['-', ..])
                {
                    var setting = MainCf.MainCfFile.SplitNameValue(word, out _, out _);
                    wrong = setting is null ? wrong : $"{(wrong is null ? "" : $"{wrong}\n")}{setting}: \"{word}\"";
                }
                if (wrong is not null && warnings is null)
                {
                    return null;
                }
                foreach (var line in wrong?.Split('\n') ?? [])
                {
                    warnings!.Add($"master.cf: {line}");
                }
            }
            arguments.Add(word);
        }
        wrong = null;
        return new MasterLine(words[..FieldNames.Count], Normal(arguments), number);
    }

    // As in Postfix, -oname=value and -vo name=value become -v -o name=value, other letters stay together (-vv), and { name = value } loses the blanks around "=".
    private static List<string> Normal(List<string> arguments)
    {
        var list = new List<string>(arguments.Count);
        for (var i = 0; i < arguments.Count; i++)
        {
            var word = arguments[i];
            if (word is not ['-', _, ..] || word == "--")
            {
                list.AddRange(arguments[i..]);
                break;
            }
            var at = word.IndexOf('o', StringComparison.Ordinal);
            if (at != 1)
            {
                list.Add(at < 0 ? word : word[..at]);
            }
            if (at < 0)
            {
                continue;
            }
            list.Add("-o");
            if (at + 1 < word.Length)
            {
                list.Add(Setting(word[(at + 1)..]));
            }
            else if (i + 1 < arguments.Count)
            {
                list.Add(Setting(arguments[++i]));
            }
        }
        return list;
    }

    private static string Setting(string text) => MainCf.MainCfFile.SplitNameValue(text, out var name, out var value) is null ? $"{name}={value}" : text;
}
