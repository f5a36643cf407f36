using Facteur.Tables.Patterns;
using Facteur.Unix;

namespace Facteur.Tables.Types;

/// <summary>pcre: Perl-compatible expressions (pcre_table(5)), of the system's libpcre2-8.</summary>
internal sealed class PcreTable : ExpressionTable
{
    private PcreTable(TableRequest request)
        : base(request)
    {
    }

    protected override string Type => "pcre";

    protected override uint DefaultOptions => Pcre2.CASELESS | Pcre2.DOTALL;

    protected override string Unclosed => "ignoring";

    protected override string OutOfRange => "out of range";

    public static ITable Open(TableRequest request) =>
        Pcre2.IsAvailable ? Open(request, "pcre", r => new PcreTable(r))
            : throw new TableException($"unsupported dictionary type: pcre: the library {Pcre2.Library} can't be loaded; install PCRE2 (Debian: libpcre2-8-0)");

    protected override bool? Toggle(char flag, ref uint options)
    {
        // Postfix: PCRE2 has no EXTRA option; what it did is the rule there.
        if (flag == 'X')
        {
            return null;
        }
        var bit = flag switch
        {
            'i' => Pcre2.CASELESS,
            'm' => Pcre2.MULTILINE,
            's' => Pcre2.DOTALL,
            'x' => Pcre2.EXTENDED,
            'A' => Pcre2.ANCHORED,
            'E' => Pcre2.DOLLAR_ENDONLY,
            'U' => Pcre2.UNGREEDY,
            _ => 0u,
        };
        options ^= bit;
        return bit != 0;
    }

    private protected override IExpression? Compile(ReadOnlySpan<byte> pattern, uint options, out string error) =>
        PcreRegex.Compile(pattern, options, out error);
}
