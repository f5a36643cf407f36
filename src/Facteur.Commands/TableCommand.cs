using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Commands;

/// <summary>What postmap(1) and postalias(1) share: options, configuration, and the choice of what to do.</summary>
internal sealed class TableCommand
{
    private readonly CommandContext _context;
    private readonly TableCommandOptions _options;
    private readonly IConfig _config;
    private readonly TableCommandEvents _events;

    private TableCommand(CommandContext context, TableCommandOptions options, IConfig config)
    {
        _context = context;
        _config = config;
        _events = new TableCommandEvents(context);
        // A message's lines may hold any bytes.
        var utf8 = config.Get(CommonParameters.Smtputf8Enable) && !options.NoUtf8 && (options.ForceUtf8 || !(options.Body || options.Headers));
        _options = options with { Tables = options.Tables with { Utf8 = utf8, AliasText = options.Aliases } };
    }

    /// <summary>Runs the command; its exit status.</summary>
    /// <param name="context">The command.</param>
    /// <param name="options">What it does without options.</param>
    /// <param name="letters">Its options, for getopt.</param>
    /// <param name="usage">Its options, for people.</param>
    public static int Run(CommandContext context, TableCommandOptions options, string letters, string usage)
    {
        usage = $"usage: {context.Name} {usage} [-c config_dir] [-d key] [-q key] [map_type:]file...";
        var getopt = new GetOpt(context.Arguments, letters);
        while (getopt.Next())
        {
            if (getopt.Option == '?')
            {
                context.Error.WriteLine($"{context.Name}: {getopt.Error}");
                return context.Fatal(usage);
            }
            if (!TableCommandOptions.TryTake(ref options, getopt.Option, getopt.Argument))
            {
                return context.Fatal($"specify only one of -s {(getopt.Option == 's' ? "or " : "")}-q or -d");
            }
        }
        options = options with { Operands = getopt.Operands };
        if ((options.Body || options.Headers || options.Mime) && options.Query != "-")
        {
            return context.Fatal("specify -b -h or -m only with \"-q -\"");
        }
        if (options.Mime && !options.Body && !options.Headers)
        {
            context.Warn("ignoring -m option without -b or -h");
        }
        if (options.Operands.Count == 0)
        {
            return context.Fatal(usage);
        }
        var directory = ConfigLoader.FindDirectory(options.ConfigDirectory, context.Environment);
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = context.Name, WithMaster = false });
        return load.Errors.Count > 0 ? context.Fatal(load.Errors[0]) : new TableCommand(context, options, load.Config).Run();
    }

    /// <summary>Rebuilds alias tables for newaliases.</summary>
    public static int Rebuild(CommandContext context, IConfig config, IReadOnlyList<string> tables, bool verbose) =>
        new TableCommand(context, new TableCommandOptions { Aliases = true, Operands = tables, Verbose = verbose }, config).Run();

    private int Run()
    {
        try
        {
            using var set = new TableSet(_config, _events, _context.Time, _options.Tables);
            var updates = new TableUpdates(_context, _options, set, _events);
            var queries = new TableQueries(_context, _options, set);
            var tables = _options.Operands.Select(WithType).ToList();
            if (_options.Verbose)
            {
                tables.ForEach(t => _events.Info($"open {t}"));
            }
            if (_options.List)
            {
                return queries.List(tables[0]);
            }
            if (_options.Query is { } query)
            {
                return query == "-" ? queries.AskInput(tables) : queries.Ask(tables, query);
            }
            if (_options.Delete is { } key)
            {
                return updates.Delete(tables, key);
            }
            tables.ForEach(updates.Write);
            return 0;
        }
        catch (TableException e)
        {
            return _context.Fatal(e.Message);
        }
    }

    private string WithType(string operand) =>
        operand.Contains(':') ? operand : $"{_config.Get(TablesParameters.DefaultDatabaseType)}:{operand}";
}
