namespace Facteur.Tables;

/// <summary>A table whose answers have an owner: what stands in an alias file is done in the name of whoever may write it (local(8)).</summary>
public interface IOwnedTable : ITable
{
    /// <summary>Looks up a key in what was read last, and says whose file that was: as it was when it was opened, whatever has its name now.</summary>
    (Lookup Lookup, uint Owner) FindOwned(string key);

    /// <summary>The files that may be that owner's, by the names of their texts; none when the answers are no file's, and so the administrator's.</summary>
    IReadOnlyList<string> Files => Name[(Name.IndexOf(':', StringComparison.Ordinal) + 1)..] is ['/', ..] path ? [path] : [];
}
