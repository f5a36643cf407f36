namespace Facteur.Tables.Types;

/// <summary>Entries in memory.</summary>
/// <param name="entries">By key, folded already.</param>
/// <param name="options">Whether keys are folded.</param>
internal sealed class MemoryContent(Dictionary<string, string> entries, TableOptions options) : TableContent
{
    public override IEnumerable<KeyValuePair<string, string>> Entries => entries;

    public override Lookup Find(string key) => entries.TryGetValue(KeyFold.Fold(key, options), out var value) ? Lookup.Found(value) : Lookup.NotFound;
}
