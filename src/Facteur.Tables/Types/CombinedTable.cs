using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>A table made of tables: unionmap: and pipemap:.</summary>
/// <param name="name">"type:name".</param>
/// <param name="tables">Its parts, which the set owns.</param>
internal abstract class CombinedTable(string name, IReadOnlyList<ITable> tables) : IOwnedTable
{
    private const uint Nobody = uint.MaxValue;

    public string Name { get; } = name;

    // Postfix: the first part is asked for the keys, and says which. A part that could not be opened becomes another table later.
    public bool IsPattern => Tables[0].IsPattern;

    public bool CanBlock => Tables.Any(t => t.CanBlock);

    protected IReadOnlyList<ITable> Tables { get; } = tables;

    public IReadOnlyList<string> Files => [.. Tables.OfType<IOwnedTable>().SelectMany(t => t.Files)];

    public abstract ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel);

    // Postfix: of one user beside root they are that user's, of several nobody's.
    public (Lookup Lookup, uint Owner) FindOwned(string key)
    {
        var before = Owner(key);
        var lookup = LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return (lookup, Owner(key) == before ? before : Nobody);
    }

    private uint Owner(string key)
    {
        var owners = Tables.OfType<IOwnedTable>().Where(t => t.Files.Count > 0).Select(t => t.FindOwned(key).Owner).Where(o => o != 0).Distinct().ToList();
        return owners.Count == 0 ? 0 : owners.Count == 1 ? owners[0] : Nobody;
    }

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
