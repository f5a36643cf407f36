using System.Globalization;

namespace Facteur.Services.Deliver;

/// <summary>User and group numbers in tables.</summary>
internal static class NumberText
{
    /// <summary>A number in decimal digits and nothing else; the kernel's "no change", 2^32-1, is none.</summary>
    public static bool TryParseId(string text, out uint id) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id != uint.MaxValue;
}
