using System.Globalization;
using Facteur.Contracts;

namespace Facteur.Services.Report.Verify;

/// <summary>What the cache knows of an address. Times are seconds since 1970.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Probed">When a probe was sent that has not come back, or 0.</param>
/// <param name="Updated">When the last result came, or 0.</param>
/// <param name="Text">Why.</param>
internal readonly record struct VerifyEntry(AddressStatus Status, long Probed, long Updated, string Text)
{
    /// <summary>As Postfix's cache has it: status:probed:updated:text.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(int)Status}:{Probed}:{Updated}:{Text}");

    /// <summary>Reads that form.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out VerifyEntry entry)
    {
        entry = default;
        Span<Range> fields = stackalloc Range[4];
        if (text.Split(fields, ':') != 4 || !Number(text[fields[0]], out var status) || status > (long)AddressStatus.InProgress
            || !Number(text[fields[1]], out var probed) || !Number(text[fields[2]], out var updated))
        {
            return false;
        }
        entry = new VerifyEntry((AddressStatus)status, probed, updated, text[fields[3]].ToString());
        return true;
    }

    private static bool Number(ReadOnlySpan<char> text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
