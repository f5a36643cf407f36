using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.Parameters;
using Facteur.Tables.Types;

namespace Facteur.Tables;

/// <summary>
/// Opens tables and shares them by name. One set belongs to one configuration snapshot: a reload makes a new set and disposes the old
/// one when its sessions are over.
/// </summary>
public sealed class TableSet : ITableSet, IDisposable
{
    /// <summary>Tables in tables (unionmap, proxy, debug) may nest this deep.</summary>
    private const int MaxNesting = 16;

    private static readonly string[] AliasParameters = ["alias_maps", "alias_database"];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ITable> _open = new(StringComparer.Ordinal);
    private readonly HashSet<string> _aliases;
    private readonly Lazy<LookupThreads> _threads;
    private readonly Lazy<HashSet<string>> _proxied;
    private int _nesting;

    /// <summary>Makes an empty set.</summary>
    /// <param name="config">Says which tables hold aliases (alias_maps, alias_database), and the parameters of databases named without a path.</param>
    /// <param name="events">Where warnings go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="options">How tables are opened.</param>
    public TableSet(IConfig config, ITableEvents events, TimeProvider time, TableOptions? options = null)
    {
        Config = config;
        Events = events;
        Time = time;
        Options = options ?? new TableOptions();
        _aliases = new HashSet<string>(
            AliasParameters.SelectMany(p => Braces.Split(config.Find(p) ?? "", ", \t\r\n"))
                .Select(t => t.StartsWith("proxy:", StringComparison.Ordinal) ? t[6..] : t),
            StringComparer.Ordinal);
        _threads = new Lazy<LookupThreads>(() => new LookupThreads());
        _proxied = new Lazy<HashSet<string>>(() => ProxiedTables.In(config.Get(TablesParameters.ProxyReadMaps)));
    }

    /// <summary>How tables are opened.</summary>
    public TableOptions Options { get; }

    internal IConfig Config { get; }

    internal ITableEvents Events { get; }

    internal TimeProvider Time { get; }

    internal LookupThreads Threads => _threads.Value;

    /// <summary>Tables that may be named behind "proxy:".</summary>
    internal HashSet<string> Proxied => _proxied.Value;

    /// <inheritdoc/>
    public ITable Open(string name)
    {
        lock (_lock)
        {
            try
            {
                return OpenOrThrow(name);
            }
            catch (TableException e)
            {
                Events.Error(e.Message);
                return _open[name] = new UnavailableTable(this, name, e.Message);
            }
        }
    }

    /// <summary>Opens "type:name" for a command that would rather stop.</summary>
    /// <exception cref="TableException">It can't be opened.</exception>
    public ITable OpenOrThrow(string name)
    {
        lock (_lock)
        {
            return _open.TryGetValue(name, out var table) ? table : OpenAgain(name);
        }
    }

    /// <summary>Opens what could not be opened before; others who open it share it.</summary>
    /// <exception cref="TableException">It still can't be opened.</exception>
    internal ITable OpenAgain(string name)
    {
        lock (_lock)
        {
            var colon = name.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || colon == name.Length - 1)
            {
                throw new TableException($"open dictionary: expecting \"type:name\" form instead of \"{name}\"");
            }
            var type = name[..colon];
            var open = TableTypes.Find(type) ?? throw new TableException($"unsupported dictionary type: {type}");
            if (_nesting >= MaxNesting)
            {
                throw new TableException($"{name}: tables are nested more than {MaxNesting} deep");
            }
            _nesting++;
            try
            {
                var table = open(new TableRequest(this, name, type, name[(colon + 1)..]));
                return _open[name] = Options.Observer is { } observer && table is not ObservedTable ? new ObservedTable(table, observer) : table;
            }
            finally
            {
                _nesting--;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var table in _open.Values)
            {
                table.Dispose();
            }
            _open.Clear();
        }
        if (_threads.IsValueCreated)
        {
            _threads.Value.Dispose();
        }
    }

    /// <summary>Whether a table's text is in the form of aliases(5).</summary>
    internal bool IsAliases(string name) => Options.AliasText || _aliases.Contains(name);
}
