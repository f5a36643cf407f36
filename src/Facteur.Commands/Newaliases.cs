using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>newaliases(1): rebuilds the tables of alias_database.</summary>
public static class Newaliases
{
    /// <summary>Runs the command; its exit status.</summary>
    public static int Run(CommandContext context)
    {
        string? directory = null, database = null;
        var verbose = false;
        var getopt = new GetOpt(context.Arguments, "C:c:o:v");
        while (getopt.Next())
        {
            switch (getopt.Option)
            {
                case 'C' or 'c':
                    directory = getopt.Argument;
                    break;
                case 'v':
                    verbose = true;
                    break;
                // sendmail(1): -oA names another alias database.
                case 'o' when getopt.Argument is ['A', _, ..]:
                    database = getopt.Argument[1..];
                    break;
                default:
                    context.Error.WriteLine($"{context.Name}: {getopt.Error ?? $"-o{getopt.Argument}: expected -oAalias_database"}");
                    return context.Fatal($"usage: {context.Name} [-v] [-C config_dir] [-oAalias_database]");
            }
        }
        if (getopt.Operands.Count > 0)
        {
            return context.Fatal("alias initialization mode requires no recipient", 75);
        }
        // As with sendmail -C, a file stands for its directory.
        directory = directory is not null && File.Exists(directory) ? Path.GetDirectoryName(directory) : directory;
        var load = ConfigLoader.Load(
            ConfigLoader.FindDirectory(directory, context.Environment), new LoadOptions { ProcessName = context.Name, WithMaster = false });
        if (load.Errors.Count > 0)
        {
            return context.Fatal(load.Errors[0]);
        }
        var tables = ListSyntax.Split(database ?? load.Config.Get(TablesParameters.AliasDatabase));
        return tables.Count == 0 ? 0 : TableCommand.Rebuild(context, load.Config, tables, verbose);
    }
}
