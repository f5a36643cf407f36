namespace Facteur.Config.Parameters;

/// <summary>
/// All parameters. A row that a service acts on is a typed object in a class of its own; all others come from the table parameters.txt.
/// </summary>
public static class ParameterRegistry
{
    // The one place to name a new class of rows.
    private static readonly IReadOnlyList<Parameter>[] TypedRows =
    [
        AnvilParameters.All,
        BounceParameters.All,
        CleanupParameters.All,
        CommonParameters.All,
        ContentCheckParameters.All,
        ContentFilterParameters.All,
        DeliveryStatusParameters.All,
        LocalParameters.All,
        LogParameters.All,
        QmgrParameters.All,
        RecipientMapsParameters.All,
        SendmailParameters.All,
        ShowqParameters.All,
        MultiInstanceParameters.All,
        SmtpdParameters.All,
        SmtpParameters.All,
        TablesParameters.All,
        TrivialRewriteParameters.All,
        UceParameters.All,
        VerifyParameters.All,
        VirtualParameters.All,
    ];

    private static readonly Dictionary<string, Parameter> ByName = Read();

    /// <summary>All rows that Postfix has too, in the order of their names.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [.. ByName.Values.Except(FacteurParameters.All).OrderBy(row => row.Name, StringComparer.Ordinal)];

    /// <summary>Rows that services act on.</summary>
    public static IEnumerable<Parameter> Typed => TypedRows.SelectMany(rows => rows);

    /// <summary>The row of a name, or null: a user's parameter.</summary>
    public static Parameter? Find(string name) => ByName.GetValueOrDefault(name);

    private static Dictionary<string, Parameter> Read()
    {
        var rows = new Dictionary<string, Parameter>(1024, StringComparer.Ordinal);
        foreach (var row in ParameterTable.Read())
        {
            rows[row.Name] = row;
        }
        foreach (var row in Typed.Concat(FacteurParameters.All))
        {
            rows[row.Name] = row;
        }
        return rows;
    }
}
