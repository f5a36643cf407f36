using System.Text;
using Facteur.Tables.Lists;
using Facteur.Tables.Types;

namespace Facteur.Tables.Databases;

/// <summary>
/// A table whose answers come from a database: which keys it is asked for, and how what it finds becomes a result. It never answers "not found" because it
/// could not be asked. Its answers are as good as its parameters: they are in the name of whoever may write that file (Postfix: cfg_get_owner).
/// </summary>
internal abstract class DatabaseTable : IOwnedTable
{
    /// <summary>A result may have this many characters: more is a query without a condition.</summary>
    protected const int MaxResult = 10 << 20;

    private readonly TableSet _set;
    private readonly DomainList? _domains;
    private readonly string _format;
    private readonly int _expansionLimit;
    private readonly uint _owner;

    /// <summary>Reads what all databases have: domain, result_format, expansion_limit.</summary>
    /// <param name="request">The table.</param>
    /// <param name="settings">Its parameters.</param>
    /// <param name="format">result_format.</param>
    protected DatabaseTable(TableRequest request, SourceSettings settings, string? format = null)
    {
        (_set, Name, Source, Type, Events) = (request.Set, request.FullName, request.Argument, request.Type, request.Events);
        Templates = new KeyTemplates(Source);
        _format = format ?? settings.Text("result_format", "%s");
        Templates.Add(_format, isQuery: false);
        _expansionLimit = settings.Number("expansion_limit", 0);
        _owner = settings.Owner;
        if (settings.Text("domain") is { Length: > 0 } domains)
        {
            // Postfix: a string list; names do not stand for those below them.
            _domains = new DomainList(new ListParser(request.Set, Events).Parse($"{Name}: domain", domains, networks: false), ParentRule.None, "domain", null);
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool IsPattern => false;

    /// <inheritdoc/>
    public bool CanBlock => true;

    /// <summary>What follows "type:".</summary>
    protected string Source { get; }

    protected string Type { get; }

    protected ITableEvents Events { get; }

    protected TimeProvider Time => _set.Time;

    protected LookupThreads Threads => _set.Threads;

    protected KeyTemplates Templates { get; }

    protected int ExpansionLimit => _expansionLimit;

    /// <inheritdoc/>
    public async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        if (Normal(key) is not { } normal)
        {
            if (key.Length == 0 && Type != "memcache")
            {
                Events.Warning($"table \"{Name}\": empty query string -- ignored");
            }
            return Lookup.NotFound;
        }
        return await ServesAsync(normal, cancel).ConfigureAwait(false) switch
        {
            LookupStatus.Error => Lookup.Error($"{Name}: 'domain' pattern match failed for '{normal}'"),
            LookupStatus.NotFound => Lookup.NotFound,
            _ => Templates.Suits(normal) ? await FindAsync(normal, cancel).ConfigureAwait(false) : Lookup.NotFound,
        };
    }

    /// <inheritdoc/>
    public (Lookup Lookup, uint Owner) FindOwned(string key) => (LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult(), _owner);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Asks the database for a key that has what the templates need.</summary>
    protected abstract ValueTask<Lookup> FindAsync(string key, CancellationToken cancel);

    /// <summary>The key as databases get it: folded, and text; null when it is not one (Postfix: "Skipping lookup of non-UTF-8 key").</summary>
    protected string? Normal(string key)
    {
        if (!_set.Options.Utf8 && !Ascii.IsValid(key))
        {
            var bytes = Encoding.Latin1.GetBytes(key);
            if (!System.Text.Unicode.Utf8.IsValid(bytes))
            {
                return null;
            }
            key = Encoding.UTF8.GetString(bytes);
        }
        // A NUL ends a text in every one of these protocols; half a surrogate is no text.
        return key.Length == 0 || key.Contains('\0') || HasLoneSurrogate(key) ? null : KeyFold.Fold(key, _set.Options with { Utf8 = true });
    }

    /// <summary>Whether the table's domain parameter lets a key through: only user@domain, of these domains.</summary>
    protected ValueTask<LookupStatus> ServesAsync(string key, CancellationToken cancel)
    {
        if (_domains is null)
        {
            return new(LookupStatus.Found);
        }
        var at = key.LastIndexOf('@');
        return at <= 0 || at == key.Length - 1 ? new(LookupStatus.NotFound) : _domains.MatchAsync(key[(at + 1)..], cancel);
    }

    /// <summary>Values, each by result_format, joined with commas.</summary>
    protected Lookup Joined(IEnumerable<string?> values, string key)
    {
        var results = new Results(this, key);
        foreach (var value in values)
        {
            if (!results.Add(value))
            {
                break;
            }
        }
        return results.Lookup;
    }

    private static bool HasLoneSurrogate(string text)
    {
        for (var i = text.AsSpan().IndexOfAnyInRange('\ud800', '\udfff'); i >= 0 && i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>What a lookup has found so far.</summary>
    protected sealed class Results(DatabaseTable table, string key)
    {
        private readonly StringBuilder _text = new();
        private int _count;
        private string? _error;

        public Lookup Lookup => _error is { } error ? Lookup.Error(error) : _text.Length == 0 ? Lookup.NotFound : Lookup.Found(_text.ToString());

        /// <summary>Adds a value; null is nothing, an empty one is told and left out.</summary>
        /// <returns>False when there are too many: the lookup fails.</returns>
        public bool Add(string? value)
        {
            if (value is null || _error is not null)
            {
                return _error is null;
            }
            if (value.Length == 0)
            {
                table.Events.Warning($"table \"{table.Name}\": empty lookup result for: \"{key}\" -- ignored");
                return true;
            }
            if (table.Templates.TryResult(table._format, value, key, _text) && table._expansionLimit > 0 && ++_count > table._expansionLimit)
            {
                return Fail($"dict_{table.Type}_lookup: {table.Source}: Expansion limit exceeded for key: '{key}'");
            }
            return _text.Length <= MaxResult || Fail($"dict_{table.Type}_lookup: {table.Source}: result of more than {MaxResult} characters for key: '{key}'");
        }

        /// <summary>The lookup fails, and says why.</summary>
        public bool Fail(string warning)
        {
            table.Events.Warning(warning);
            _error = warning;
            return false;
        }
    }
}
