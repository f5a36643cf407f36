namespace Facteur.Services.Deliver.Local;

/// <summary>Destinations that a message was delivered to; it remembers a bounded number, so that a duplicate is possible and a loss is not.</summary>
internal sealed class Duplicates(int limit)
{
    private readonly HashSet<string> _seen = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a destination was there before; remembers it.</summary>
    /// <param name="kind">mailbox, file, forward.</param>
    /// <param name="name">Its name.</param>
    public bool Seen(string kind, string name)
    {
        var key = $"{kind} {name}";
        return _seen.Contains(key) || (_seen.Count < limit && !_seen.Add(key));
    }

    /// <summary>Forgets a destination whose delivery failed.</summary>
    public void Forget(string kind, string name) => _seen.Remove($"{kind} {name}");
}
