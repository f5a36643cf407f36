using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;

namespace Facteur.Config;

/// <summary>Where settings stand in main.cf and master.cf: for those who say what is wrong, not for those who serve.</summary>
public sealed class SettingPlaces
{
    private readonly string[] _mainLines, _masterLines;

    /// <summary>Reads both files; one that can't be read has no lines.</summary>
    /// <param name="directory">Their directory.</param>
    public SettingPlaces(string directory)
    {
        (MainPath, MasterPath) = (Path.Combine(directory, "main.cf"), Path.Combine(directory, "master.cf"));
        var (main, master) = (Read(MainPath), Read(MasterPath));
        Main = MainCfFile.Parse(MainPath, main);
        Master = MasterCfFile.Parse(MasterPath, master);
        (_mainLines, _masterLines) = (main.Split('\n'), master.Split('\n'));
    }

    /// <summary>main.cf.</summary>
    public string MainPath { get; }

    /// <summary>master.cf.</summary>
    public string MasterPath { get; }

    /// <summary>main.cf as written.</summary>
    public MainCfFile Main { get; }

    /// <summary>master.cf as written.</summary>
    public MasterCfFile Master { get; }

    /// <summary>The place of a setting: of an entry's -o, else of main.cf; main.cf without line when the value is the default.</summary>
    /// <param name="entry">The service, or null.</param>
    /// <param name="name">The parameter.</param>
    /// <param name="word">A word of its value: its line when the value has several.</param>
    public (string File, int Line) Of(MasterEntry? entry, string name, string word = "")
    {
        if (entry is not null && entry.Options.Any(o => o.Key == name))
        {
            var option = Find(_masterLines, entry.Line, name);
            return (MasterPath, word.Length > 0 && Find(_masterLines, option, word) is var line && line > option ? line : option);
        }
        return Main.Entries.TryGetValue(name, out var setting) ? (MainPath, word.Length == 0 ? setting.Line : Find(_mainLines, setting.Line, word)) : (MainPath, 0);
    }

    /// <summary>The place of a name in an entry of master.cf.</summary>
    /// <param name="line">The entry's line.</param>
    /// <param name="name">A name of its settings, or in them.</param>
    public (string File, int Line) InMaster(int line, string name) => (MasterPath, Find(_masterLines, line, name));

    /// <summary>"file:line", or "file" where there is no line.</summary>
    public static string Text((string File, int Line) place) => place.Line > 0 ? $"{place.File}:{place.Line}" : place.File;

    // Within the logical line that starts there; its first line when the word stands nowhere. A word that stands alone is meant before one that is part of another.
    private static int Find(string[] lines, int first, string word) =>
        Find(lines, first, word, static (line, word) => Stands(line, word)) ?? Find(lines, first, word, static (line, word) => line.Contains(word, StringComparison.Ordinal)) ?? first;

    private static bool Stands(string line, string word)
    {
        for (var at = line.IndexOf(word, StringComparison.Ordinal); at >= 0 && word.Length > 0; at = line.IndexOf(word, at + 1, StringComparison.Ordinal))
        {
            if ((at == 0 || !IsOfWord(line[at - 1])) && (at + word.Length == line.Length || !IsOfWord(line[at + word.Length])))
            {
                return true;
            }
        }
        return false;
    }

    private static bool IsOfWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-';

    private static int? Find(string[] lines, int first, string word, Func<string, string, bool> holds)
    {
        for (var i = first - 1; i >= 0 && i < lines.Length && (i == first - 1 || lines[i] is [] or [' ' or '\t' or '#' or '\r', ..]); i++)
        {
            if (!LogicalLine.IsBlankOrComment(lines[i]) && holds(lines[i], word))
            {
                return i + 1;
            }
        }
        return null;
    }

    private static string Read(string path)
    {
        try
        {
            return ConfigText.Read(path).Text;
        }
        catch (ConfigException)
        {
            return "";
        }
    }
}
