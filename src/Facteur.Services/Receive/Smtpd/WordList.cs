using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>A list of words, !words, type:table and /file (Postfix: string_list): smtpd_forbidden_commands, smtpd_noop_commands.</summary>
internal sealed class WordList
{
    private readonly (bool Not, string? Word, ITable? Table)[] _items;

    /// <exception cref="ConfigException">A file can't be read, or files name each other in a ring.</exception>
    public WordList(ITableSet tables, IConfig config, StringParameter parameter)
    {
        var items = new List<(bool, string?, ITable?)>();
        Add(tables, parameter.Name, config.Get(parameter), items, 0);
        _items = [.. items];
    }

    public bool IsEmpty => _items.Length == 0;

    /// <summary>Whether a word matches; a table that can't answer matches nothing.</summary>
    public async ValueTask<bool> MatchAsync(string word, CancellationToken cancel)
    {
        foreach (var (not, text, table) in _items)
        {
            if (table is null ? word.Equals(text, StringComparison.OrdinalIgnoreCase) : (await table.LookupAsync(word, cancel).ConfigureAwait(false)).Status == LookupStatus.Found)
            {
                return !not;
            }
        }
        return false;
    }

    private static void Add(ITableSet tables, string parameter, string value, List<(bool, string?, ITable?)> items, int depth)
    {
        foreach (var item in ListSyntax.Split(value))
        {
            var not = item.StartsWith('!');
            var text = item.TrimStart('!');
            if (text.StartsWith('/'))
            {
                if (depth > 10)
                {
                    throw new ConfigException($"{parameter}: file {text}: files name each other, expected words");
                }
                Add(tables, parameter, ReadWords(parameter, text), items, depth + 1);
            }
            else
            {
                items.Add(text.Contains(':') ? (not, null, tables.Open(text)) : (not, text, null));
            }
        }
    }

    private static string ReadWords(string parameter, string path)
    {
        try
        {
            return string.Join(' ', File.ReadLines(path).Where(line => !line.StartsWith('#')));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"{parameter}: open file {path}: {e.Message}");
        }
    }
}
