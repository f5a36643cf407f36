using System.Globalization;
using System.Text;
using Facteur.Config.Parameters;

namespace Facteur.Config.Expansion;

/// <summary>Expands $name in a template's text: any parameter, times in a unit of choice, and this host's names in readable form (bounce(5)).</summary>
public static class TemplateText
{
    private static readonly (string Suffix, int Seconds)[] Units = [("_seconds", 1), ("_minutes", 60), ("_hours", 3600), ("_days", 86400), ("_weeks", 604800)];

    /// <summary>The text with all $name, $(name) and ${name} replaced; $$ is a dollar sign.</summary>
    public static string Expand(string text, IConfig config)
    {
        var result = new StringBuilder(text.Length);
        var at = 0;
        while (text.IndexOf('$', at) is >= 0 and var dollar && dollar + 1 < text.Length)
        {
            result.Append(text, at, dollar - at);
            var end = End(text, dollar + 1);
            result.Append(text[dollar + 1] == '$' ? "$" : end == dollar + 1 ? text[dollar..end] : Value(text[dollar..end], config));
            at = text[dollar + 1] == '$' ? dollar + 2 : end;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    // Where the expression ends whose first character after the dollar is at start.
    private static int End(string text, int start)
    {
        var at = start;
        if (text[at] is '{' or '(')
        {
            var (open, close) = text[at] == '{' ? ('{', '}') : ('(', ')');
            for (var depth = 0; at < text.Length; at++)
            {
                depth += text[at] == open ? 1 : text[at] == close ? -1 : 0;
                if (depth == 0)
                {
                    return at + 1;
                }
            }
            return start;
        }
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
        {
            at++;
        }
        return at;
    }

    private static string Value(string expression, IConfig config)
    {
        var name = expression.Trim('$', '{', '}', '(', ')');
        foreach (var (suffix, seconds) in Units)
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal) && Time(name[..^suffix.Length], config) is { } time)
            {
                return (time / seconds).ToString(CultureInfo.InvariantCulture);
            }
        }
        return name switch
        {
            "myhostname" => Readable(config.Get(CommonParameters.Myhostname), config),
            "mydomain" => Readable(config.Get(CommonParameters.Mydomain), config),
            _ => config.Expand(expression),
        };
    }

    private static long? Time(string name, IConfig config) => name switch
    {
        "delay_warning_time" => TimeParameter.ParseSeconds(config.Find(name) ?? "0h", 'h'),
        "maximal_queue_lifetime" => (long)config.Get(CommonParameters.MaximalQueueLifetime).TotalSeconds,
        _ => null,
    };

    private static string Readable(string domain, IConfig config)
    {
        if (!config.Get(CommonParameters.Smtputf8Enable) || !domain.Contains("xn--", StringComparison.OrdinalIgnoreCase))
        {
            return domain;
        }
        try
        {
            return new IdnMapping().GetUnicode(domain);
        }
        catch (ArgumentException)
        {
            return domain;
        }
    }
}
