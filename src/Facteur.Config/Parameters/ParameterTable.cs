using System.Globalization;

namespace Facteur.Config.Parameters;

/// <summary>The rows of parameters.txt, with the ranges and sentences of descriptions.txt.</summary>
internal static class ParameterTable
{
    /// <summary>Reads all rows.</summary>
    internal static IEnumerable<Parameter> Read()
    {
        var descriptions = Lines("descriptions.txt").Select(Description.Parse).ToDictionary(d => d.Name, StringComparer.Ordinal);
        foreach (var line in Lines("parameters.txt"))
        {
            var words = line.Split(' ', 4);
            var (name, value) = (words[2], words[3][1..].Trim());
            yield return Row(words[0], name, value, words[1] == "nothing", descriptions.GetValueOrDefault(name) ?? OfTransport(name));
        }
    }

    private static Parameter Row(string type, string name, string value, bool nothing, Description about)
    {
        var acts = nothing ? ParameterClass.NothingToDo : ParameterClass.NotYet;
        return type switch
        {
            "bool" => new BoolParameter(name, value, about.Summary) { Class = acts, Reason = about.Reason },
            "int" => new IntParameter(name, value, about.Summary, LeastOf(name) ?? about.Least, about.Greatest) { Class = acts, Reason = about.Reason },
            "time" => new TimeParameter(name, value, about.Summary, about.Least, UnitOf(value), about.Greatest) { Class = acts, Reason = about.Reason },
            _ => new StringParameter(name, value, about.Summary, (int)about.Least, (int)about.Greatest) { Class = acts, Reason = about.Reason },
        };
    }

    private static Description OfTransport(string name) => TransportParameters.SummaryOf(name) is { } summary ? new(name, TransportParameters.LeastOf(name), 0, summary, TransportParameters.ReasonOf(name)!) : Description.None;

    private static IEnumerable<string> Lines(string resource)
    {
        using var stream = typeof(ParameterTable).Assembly.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"{resource} is not in the assembly");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line is not ['#', ..])
            {
                yield return line;
            }
        }
    }

    // Postfix: a time without a unit has the unit of the default.
    private static char UnitOf(string value) => value is [.., var digit, 's' or 'm' or 'h' or 'd' or 'w'] && (char.IsAsciiDigit(digit) || digit == '}') ? value[^1] : 's';

    // An allowlist begins below zero.
    private static long? LeastOf(string name) => name == "postscreen_dnsbl_allowlist_threshold" ? int.MinValue : null;

    /// <summary>A line "name least..greatest: sentence | reason".</summary>
    private sealed record Description(string Name, long Least, long Greatest, string Summary, string Reason)
    {
        internal static readonly Description None = new("", 0, 0, "", "");

        internal static Description Parse(string line)
        {
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            var words = line[..colon].Split(' ');
            var range = words.Length > 1 ? words[1].Split("..") : ["0", ""];
            var text = line[(colon + 2)..].Split(" | ");
            return new Description(words[0], Number(range[0]), Number(range[1]), text[0], text.Length > 1 ? text[1] : "");
        }

        private static long Number(string text) => text.Length == 0 ? 0 : long.Parse(text, CultureInfo.InvariantCulture);
    }
}
