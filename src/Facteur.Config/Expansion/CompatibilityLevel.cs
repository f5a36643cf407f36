using System.Globalization;

namespace Facteur.Config.Expansion;

/// <summary>A compatibility level: major[.minor[.patch]].</summary>
/// <param name="Major">First number.</param>
/// <param name="Minor">Second number.</param>
/// <param name="Patch">Third number.</param>
internal readonly record struct CompatibilityLevel(int Major, int Minor, int Patch)
{
    /// <summary>Reads a level; null when it is none.</summary>
    internal static CompatibilityLevel? Parse(string text)
    {
        var numbers = new int[3];
        var count = 0;
        foreach (var range in text.AsSpan().Split('.'))
        {
            if (count == 3 || !int.TryParse(text.AsSpan(range), NumberStyles.None, CultureInfo.InvariantCulture, out numbers[count++]))
            {
                return null;
            }
        }
        return new CompatibilityLevel(numbers[0], numbers[1], numbers[2]);
    }

    /// <summary>Less than zero when this is the older.</summary>
    internal int CompareTo(CompatibilityLevel other) => (Major, Minor, Patch).CompareTo((other.Major, other.Minor, other.Patch));
}
