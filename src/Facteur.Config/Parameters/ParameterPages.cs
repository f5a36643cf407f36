using System.Text;

namespace Facteur.Config.Parameters;

/// <summary>Pages that are made of the rows: all parameters, and those without effect yet.</summary>
public static class ParameterPages
{
    /// <summary>The manual page parameters(5).</summary>
    public static string All()
    {
        var page = new StringBuilder("""
            # parameters(5)

            All parameters of main.cf, in the order of their names. `facteur parameters` prints this page; how values are written is said in main.cf(5).

            Class is that of `postconf -C`: *builtin*, or *service* where the parameter comes with a service of master.cf. Names of your own are of the class *user*.


            """);
        foreach (var row in ParameterRegistry.All)
        {
            page.Append($"""
                ## {row.Name}

                {Sentence(row)}

                {Facts(row)}


                """);
        }
        return page.ToString().TrimEnd('\n') + "\n";
    }

    /// <summary>The list of parameters that are known and have no effect yet.</summary>
    public static string NotYet()
    {
        var rows = ParameterRegistry.All.Where(row => row.Class == ParameterClass.NotYet && !ActsByDefault(row)).ToList();
        var page = new StringBuilder($"""
            # No effect yet

            {rows.Count} of the {ParameterRegistry.All.Count} parameters are accepted and checked, but not acted on yet. Setting one to something else than its default is warned of when the
            system starts and by `postfix check`. `facteur parameters -u` prints this page.

            | parameter | what it is for |
            |---|---|

            """);
        foreach (var row in rows)
        {
            page.Append($"| `{row.Name}` | {row.Summary} |\n");
        }
        return page.ToString();
    }

    // A transport's own parameter has an effect when the general one has.
    private static bool ActsByDefault(Parameter row) =>
        TransportParameters.DefaultOf(row.Name) is ['$', .. var general] && ParameterRegistry.Find(general) is { Class: ParameterClass.Acts };

    private static string Sentence(Parameter row) => row.Reason.Length == 0 ? row.Summary : $"{row.Summary} Nothing to do here: {row.Reason}.".TrimStart();

    private static string Facts(Parameter row)
    {
        var facts = new List<string> { row.Default.Length == 0 ? "Default: empty" : row.Default.Contains('`', StringComparison.Ordinal) ? $"Default: `` {row.Default} ``" : $"Default: `{row.Default}`" };
        facts.Add($"type: {row.TypeName}{(row.Range.Length > 0 ? $", {row.Range}" : "")}");
        facts.Add($"class: {(TransportParameters.IsStock(row.Name) ? "service" : "builtin")}");
        facts.Add(row.Class switch
        {
            ParameterClass.Acts => "acts",
            ParameterClass.NothingToDo => "nothing to do here",
            _ => ActsByDefault(row) ? "acts" : "no effect yet",
        });
        return string.Join("; ", facts) + ".";
    }
}
