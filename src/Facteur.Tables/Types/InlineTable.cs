using Facteur.Config;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>inline:{ name=value, { name = text with spaces } }: the last of equal names counts.</summary>
internal static class InlineTable
{
    public static ITable Open(TableRequest request)
    {
        const string Need = "need \"inline:{name=value...}\"";
        if (request.Argument == "{}" || BraceText.Inner(request.Argument) is not { } inner)
        {
            throw new TableException($"bad syntax: \"{request.FullName}\"; {Need}");
        }
        var elements = BraceText.Elements(inner);
        if (elements.Count == 0)
        {
            throw new TableException($"empty table: \"{request.FullName}\"; {Need}");
        }
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var element in elements)
        {
            var pair = element[0] == '{'
                ? BraceText.Inner(element) ?? throw new TableException($"{BraceText.WhyNot(element)}: \"{request.FullName}\"; {Need}")
                : element;
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            // Postfix: a name ends at white space, so there is no key with any.
            if (equals < 0 || Spaces.Trim(pair[..equals]).Any(Spaces.Is))
            {
                throw new TableException($"missing '=' after attribute name: \"{request.FullName}\"; {Need}");
            }
            entries[KeyFold.Fold(Spaces.Trim(pair[..equals]), request.Options)] = Spaces.Trim(pair[(equals + 1)..]);
        }
        return new FixedTable(request.FullName, new MemoryContent(entries, request.Options), isPattern: false);
    }
}
