using Facteur.Tables.Patterns;

namespace Facteur.Tables.Types;

/// <summary>regexp: POSIX expressions (regexp_table(5)).</summary>
internal sealed class RegexpTable : ExpressionTable
{
    private RegexpTable(TableRequest request)
        : base(request)
    {
    }

    protected override string Type => "regexp";

    protected override uint DefaultOptions => PosixRegex.Extended | PosixRegex.IgnoreCase;

    protected override string Unclosed => "skipping";

    protected override string OutOfRange => "out-of-range";

    protected override char? EndsFlags => '!';

    public static ITable Open(TableRequest request) => Open(request, "regexp", r => new RegexpTable(r));

    protected override bool? Toggle(char flag, ref uint options)
    {
        var bit = flag switch { 'i' => PosixRegex.IgnoreCase, 'm' => PosixRegex.Newline, 'x' => PosixRegex.Extended, _ => 0 };
        options ^= (uint)bit;
        return bit != 0;
    }

    private protected override IExpression? Compile(ReadOnlySpan<byte> pattern, uint options, out string error)
    {
        var compiled = PosixRegex.Compile(pattern, (int)options, out error);
        if (compiled is null)
        {
            return null;
        }
        try
        {
            if (BoundedRegex.Of(pattern, (int)options) is not { } bounded)
            {
                return compiled;
            }
            compiled.Dispose();
            return bounded;
        }
        catch (TableException e)
        {
            compiled.Dispose();
            error = e.Message + ": skipping this rule";
            return null;
        }
    }
}
