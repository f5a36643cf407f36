using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>A table made of tables: unionmap: and pipemap:.</summary>
/// <param name="name">"type:name".</param>
/// <param name="tables">Its parts, which the set owns.</param>
internal abstract class CombinedTable(string name, IReadOnlyList<ITable> tables) : ITable
{
    public string Name { get; } = name;

    // Postfix: the first part is asked for the keys, and says which. A part that could not be opened becomes another table later.
    public bool IsPattern => Tables[0].IsPattern;

    public bool CanBlock => Tables.Any(t => t.CanBlock);

    protected IReadOnlyList<ITable> Tables { get; } = tables;

    public abstract ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel);

    public void Dispose()
    {
        // The set disposes the parts.
    }

    /// <summary>Opens "{type:name, type:name}".</summary>
    protected static List<ITable> OpenParts(TableRequest request)
    {
        var parts = BraceText.Inner(request.Argument) is { Length: > 0 } inner ? BraceText.Elements(inner) : [];
        if (parts.Count == 0 || parts.Exists(p => !p.Contains(':')))
        {
            throw new TableException($"bad syntax: \"{request.FullName}\"; need \"{request.Type}:{{type:name...}}\"");
        }
        return parts.ConvertAll(request.Set.OpenOrThrow);
    }
}
