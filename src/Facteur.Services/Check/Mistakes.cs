using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Tables;
using Facteur.Tables.Text;

namespace Facteur.Services.Check;

/// <summary>Something that a service finds wrong with its configuration when it is made.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">Its line; 0 where it is about the whole file, or about a default.</param>
/// <param name="IsError">It does not serve with it; else it only warns.</param>
/// <param name="Text">What.</param>
public sealed record Mistake(string File, int Line, bool IsError, string Text);

/// <summary>
/// All mistakes at once, found by the code that serves: a service that can't be made of a value is made again with the parameter's default, until it can.
/// What services log while they are made is taken, too.
/// </summary>
/// <param name="places">Where settings stand.</param>
/// <param name="log">Takes the lines of services as well.</param>
internal sealed class Mistakes(SettingPlaces places, IMailLog log) : IMailLog
{
    private readonly List<Mistake> _found = [];
    private readonly HashSet<string> _tables = new(StringComparer.Ordinal);
    private readonly HashSet<ConfigException> _told = new(ReferenceEqualityComparer.Instance);
    private MasterEntry? _entry;
    private IConfig? _config;
    private int _depth;

    /// <summary>What was found, each once.</summary>
    public IEnumerable<Mistake> Found => _found.Distinct();

    /// <summary>Makes something of a configuration.</summary>
    /// <param name="config">The configuration of the entry.</param>
    /// <param name="entry">The entry; null where main.cf alone counts.</param>
    /// <param name="make">Makes it.</param>
    /// <exception cref="ConfigException">It can't be made, and no parameter is at fault.</exception>
    public T Make<T>(IConfig config, MasterEntry? entry, Func<IConfig, T> make)
    {
        var defaults = new HashSet<string>(StringComparer.Ordinal);
        var outer = (_entry, _config);
        _depth++;
        try
        {
            while (true)
            {
                (_entry, _config) = (entry, config);
                try
                {
                    return make(config);
                }
                catch (ConfigException e)
                {
                    var name = Named(e.Message, config);
                    if (_told.Add(e))
                    {
                        Add(true, e.Message);
                    }
                    if (name is null || !defaults.Add(name))
                    {
                        throw;
                    }
                    config = config.With([new(name, ParameterRegistry.Find(name)?.Default ?? "")]);
                }
            }
        }
        finally
        {
            _depth--;
            (_entry, _config) = outer;
        }
    }

    /// <summary>The same for what nobody uses.</summary>
    public void Try<T>(IConfig config, MasterEntry? entry, Func<IConfig, T> make)
    {
        try
        {
            _ = Make(config, entry, make);
        }
        catch (ConfigException)
        {
            // It is among what was found.
        }
    }

    /// <summary>What is wrong with lists of restrictions: parameters and classes.</summary>
    /// <param name="entry">The smtpd that they are of.</param>
    /// <param name="lists">Each with its name.</param>
    public void Take(MasterEntry entry, IEnumerable<RestrictionList> lists)
    {
        foreach (var list in lists)
        {
            foreach (var item in list.Items.Select(i => i.Warned ?? i))
            {
                if (item.Wrong is { } wrong)
                {
                    Add(entry, list.Name, item.Name, true, wrong);
                }
                foreach (var ignored in item.Ignored)
                {
                    Add(entry, list.Name, item.Name, false, ignored);
                }
                if (item.Entry is { } parse && _tables.Add(item.Argument))
                {
                    Table(places.Of(entry, list.Name, item.Argument), item.Argument, parse);
                }
            }
        }
    }

    // Entries that name restrictions; what a pattern makes up is not known before.
    private void Table((string File, int Line) place, string table, Func<string, RestrictionList?> parse)
    {
        WrittenTable? written;
        try
        {
            written = WrittenTable.Read(table);
        }
        catch (TableException)
        {
            // That it can't be read is said of tables.
            return;
        }
        foreach (var entry in written?.Entries ?? [])
        {
            if (entry.Value.Length > 0 && !entry.Value.Contains('$') && AccessAction.IsList(entry.Value))
            {
                var wrong = parse(entry.Value) is { } list ? list.Items.Select(i => (i.Warned ?? i).Wrong).OfType<string>() : ["a table stands in it: define a restriction class and specify its name instead"];
                var (file, line) = entry.Line > 0 && written!.Path.Length > 0 ? (written.Path, entry.Line) : place;
                _found.AddRange(wrong.Select(w => new Mistake(file, line, true, $"{entry.Key}: {entry.Value}: {w}")));
            }
        }
    }

    /// <summary>Something that a service passes over without being made again.</summary>
    public void Warn(MasterEntry? entry, string parameter, string text) => Add(entry, parameter, "", false, text);

    private void Add(MasterEntry? entry, string parameter, string word, bool isError, string text)
    {
        var (file, line) = places.Of(entry, parameter, word);
        _found.Add(new Mistake(file, line, isError, $"{parameter}: {text}"));
    }

    void IMailLog.Write(string tag, LogLevel level, string text)
    {
        // What tables say has the place of each parameter that names them elsewhere; they speak as master.
        if (_depth > 0 && level != LogLevel.Info && !tag.EndsWith("/master", StringComparison.Ordinal))
        {
            Add(level != LogLevel.Warning, text);
        }
        log.Write(tag, level, text);
    }

    private void Add(bool isError, string text)
    {
        var place = Named(text, _config) is { } name ? places.Of(_entry, name) : Quoted(text);
        var (file, line) = place ?? (_entry is null ? (places.MainPath, 0) : (places.MasterPath, _entry.Line));
        _found.Add(new Mistake(file, line, isError, place is null && _entry is not null ? $"{_entry.Name}/{_entry.TypeName}: {text}" : text));
    }

    /// <summary>The first word of a text that is the name of a parameter, or of something that is set.</summary>
    private static string? Named(string text, IConfig? config)
    {
        for (var at = 0; at < text.Length;)
        {
            var end = at;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_'))
            {
                end++;
            }
            if (text[at..end] is { Length: > 0 } word && (ParameterRegistry.Find(word) is not null || (word.Contains('_') && config?.Find(word) is not null)))
            {
                return word;
            }
            at = end + 1;
        }
        return null;
    }

    /// <summary>The setting that holds a word which the text quotes ("x", `x'), or begins with.</summary>
    private (string File, int Line)? Quoted(string text)
    {
        var start = text.AsSpan().IndexOfAny('"', '`') + 1;
        var length = start > 0 ? text.AsSpan(start).IndexOfAny('"', '\'') : text.IndexOf(": ", StringComparison.Ordinal);
        if (length <= 0)
        {
            return null;
        }
        var word = text.Substring(start, length);
        var name = _entry?.Options.FirstOrDefault(o => Holds(o.Value, word)).Key ?? places.Main.Entries.FirstOrDefault(e => Holds(e.Value.Value, word)).Key;
        return name is null ? null : places.Of(_entry, name, word);
    }

    private static bool Holds(string value, string word) => value.Split([' ', '\t', '\n', ',', '{', '}'], StringSplitOptions.RemoveEmptyEntries).Contains(word, StringComparer.OrdinalIgnoreCase);
}
