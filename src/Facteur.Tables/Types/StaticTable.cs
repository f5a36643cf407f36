using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>static:value, static:{value with spaces}: the same answer to all.</summary>
internal sealed class StaticTable : TableContent
{
    private readonly string _value;

    private StaticTable(string value) => _value = value;

    public override Lookup Find(string key) => Lookup.Found(_value);

    public static ITable Open(TableRequest request) =>
        new FixedTable(
            request.FullName,
            new StaticTable(request.Argument is not ['{', ..]
                ? request.Argument
                : BraceText.Inner(request.Argument) ?? throw new TableException($"bad static:name syntax: {BraceText.WhyNot(request.Argument)}")),
            isPattern: false);
}
