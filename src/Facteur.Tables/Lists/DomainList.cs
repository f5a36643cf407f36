using Facteur.Mail.Addresses;

namespace Facteur.Tables.Lists;

/// <summary>How a name of a list stands for the names below it.</summary>
internal enum ParentRule : byte
{
    /// <summary>It does not: mydestination, virtual_alias_domains (Postfix: string_list).</summary>
    None,

    /// <summary>".example.com" matches the names below example.com.</summary>
    Dot,

    /// <summary>"example.com" matches itself and the names below it (parent_domain_matches_subdomains).</summary>
    Parent,
}

/// <summary>A list of domains. An international name is in it in either of its forms (left on purpose: Postfix wants both written down).</summary>
/// <param name="patterns">Its elements.</param>
/// <param name="rule">How names stand for those below them.</param>
/// <param name="parameter">Whose list it is.</param>
/// <param name="observer">Sees its answers, or null.</param>
internal sealed class DomainList(IReadOnlyList<ListPattern> patterns, ParentRule rule, string parameter, ITableObserver? observer) : IDomainList
{
    public async ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel)
    {
        if (domain.Length == 0)
        {
            return LookupStatus.NotFound;
        }
        var other = HostName.OtherForm(domain);
        foreach (var pattern in patterns)
        {
            var status = await MatchAsync(pattern, domain, rule, cancel).ConfigureAwait(false);
            status = status == LookupStatus.NotFound && other is not null ? await MatchAsync(pattern, other, rule, cancel).ConfigureAwait(false) : status;
            if (status != LookupStatus.NotFound)
            {
                status = status == LookupStatus.Found && pattern.Negated ? LookupStatus.NotFound : status;
                observer?.OnMatch(parameter, domain, status, pattern.Negated ? "!" + pattern.Text : pattern.Text);
                return status;
            }
        }
        observer?.OnMatch(parameter, domain, LookupStatus.NotFound, null);
        return LookupStatus.NotFound;
    }

    /// <summary>One element against a name.</summary>
    internal static ValueTask<LookupStatus> MatchAsync(ListPattern pattern, string domain, ParentRule rule, CancellationToken cancel) =>
        pattern.Wrong is not null ? new(LookupStatus.Error)
        : pattern.Table is { } table ? MatchTableAsync(table, domain, rule, cancel)
        : new(MatchesName(pattern.Text, domain, rule) ? LookupStatus.Found : LookupStatus.NotFound);

    private static bool MatchesName(string name, string domain, ParentRule rule)
    {
        if (domain.Length == name.Length || rule == ParentRule.None)
        {
            return domain.Equals(name, StringComparison.OrdinalIgnoreCase);
        }
        return domain.Length > name.Length && domain.EndsWith(name, StringComparison.OrdinalIgnoreCase)
            && (rule == ParentRule.Parent ? domain[^(name.Length + 1)] == '.' : name[0] == '.');
    }

    /// <summary>The name, then its parents: as ".parent", or as "parent" where those stand for their children.</summary>
    private static async ValueTask<LookupStatus> MatchTableAsync(ITable table, string domain, ParentRule rule, CancellationToken cancel)
    {
        for (var key = domain; ;)
        {
            var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
            if (lookup.Status != LookupStatus.NotFound)
            {
                return lookup.Status;
            }
            // A table of patterns sees the whole name only.
            var dot = rule == ParentRule.None || table.IsPattern ? -1 : key.IndexOf('.', 1);
            if (dot < 0 || dot == key.Length - 1)
            {
                return LookupStatus.NotFound;
            }
            key = rule == ParentRule.Dot ? key[dot..] : key[(dot + 1)..];
        }
    }
}
