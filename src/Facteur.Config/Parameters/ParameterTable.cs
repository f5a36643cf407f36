namespace Facteur.Config.Parameters;

/// <summary>The rows of parameters.txt.</summary>
internal static class ParameterTable
{
    private const string Summary = "See postconf(5).";

    /// <summary>Reads all rows.</summary>
    internal static IEnumerable<Parameter> Read()
    {
        using var stream = typeof(ParameterTable).Assembly.GetManifestResourceStream("parameters.txt")
            ?? throw new InvalidOperationException("parameters.txt is not in the assembly");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line is not ['#', ..])
            {
                yield return Row(line);
            }
        }
    }

    private static Parameter Row(string line)
    {
        var words = line.Split(' ', 4);
        var (name, value) = (words[2], words[3][1..].Trim());
        var acts = words[1] == "nothing" ? ParameterClass.NothingToDo : ParameterClass.NotYet;
        return words[0] switch
        {
            "bool" => new BoolParameter(name, value, Summary) { Class = acts },
            "int" => new IntParameter(name, value, Summary, LeastOf(name)) { Class = acts },
            "time" => new TimeParameter(name, value, Summary, 0, UnitOf(value)) { Class = acts },
            _ => new StringParameter(name, value, Summary) { Class = acts },
        };
    }

    // Postfix: a time without a unit has the unit of the default.
    private static char UnitOf(string value) => value is [.., var digit, 's' or 'm' or 'h' or 'd' or 'w'] && (char.IsAsciiDigit(digit) || digit == '}') ? value[^1] : 's';

    // An allowlist begins below zero.
    private static long LeastOf(string name) => name == "postscreen_dnsbl_allowlist_threshold" ? int.MinValue : 0;
}
