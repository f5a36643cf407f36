using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>randmap:{value, value}: one of the values, by chance. As in Postfix, braces around a value protect white space and are part of it.</summary>
internal sealed class RandmapTable : TableContent
{
    private readonly List<string> _values;

    private RandmapTable(List<string> values) => _values = values;

    public static ITable Open(TableRequest request)
    {
        if (BraceText.Inner(request.Argument) is not { Length: > 0 } inner)
        {
            throw new TableException($"bad syntax: \"{request.FullName}\"; need \"randmap:{{value...}}\"");
        }
        return new FixedTable(request.FullName, new RandmapTable(BraceText.Elements(inner)), isPattern: false);
    }

    public override Lookup Find(string key) => Lookup.Found(_values[Random.Shared.Next(_values.Count)]);
}
