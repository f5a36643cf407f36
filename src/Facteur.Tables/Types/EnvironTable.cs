namespace Facteur.Tables.Types;

/// <summary>environ:anything: the process's environment. Keys are folded as in all fixed-string tables, so that only names in lower case are found.</summary>
internal sealed class EnvironTable : TableContent
{
    private readonly TableOptions _options;

    private EnvironTable(TableOptions options) => _options = options;

    public static ITable Open(TableRequest request) => new FixedTable(request.FullName, new EnvironTable(request.Options), isPattern: false);

    public override Lookup Find(string key) =>
        Environment.GetEnvironmentVariable(KeyFold.Fold(key, _options)) is { } value ? Lookup.Found(value) : Lookup.NotFound;
}
