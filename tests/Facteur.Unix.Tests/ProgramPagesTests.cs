using System.Globalization;

namespace Facteur.Unix.Tests;

public sealed class ProgramPagesTests
{
    [Fact]
    public void Pages_of_the_program_are_unmapped_and_it_goes_on()
    {
        var before = Mapped();
        Assert.True(before > 0);
        ProgramPages.Forget();
        Assert.True(Mapped() < before);
    }

    /// <summary>KiB of the executable's code that are mapped.</summary>
    private static long Mapped()
    {
        var ours = false;
        long sum = 0;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                sum += ours ? long.Parse(line[4..^2].Trim(), CultureInfo.InvariantCulture) : 0;
            }
            else if (line.Contains('-') && !line.Contains(": ", StringComparison.Ordinal))
            {
                ours = line.EndsWith($" {Environment.ProcessPath}", StringComparison.Ordinal) && line.Contains(" r-xp ", StringComparison.Ordinal);
            }
        }
        return sum;
    }
}
