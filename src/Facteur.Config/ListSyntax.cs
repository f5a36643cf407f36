namespace Facteur.Config;

/// <summary>Splits list values: commas and white space separate, { } protects (postconf(5)).</summary>
public static class ListSyntax
{
    /// <summary>The elements; an element in braces keeps them off, its inner text trimmed.</summary>
    /// <param name="value">A parameter's value.</param>
    /// <returns>The elements, or a ConfigException for an unclosed brace.</returns>
    /// <exception cref="ConfigException">A brace is not closed.</exception>
    public static List<string> Split(string value)
    {
        var list = new List<string>();
        var at = 0;
        while (true)
        {
            while (at < value.Length && IsSeparator(value[at]))
            {
                at++;
            }
            if (at >= value.Length)
            {
                return list;
            }
            var start = at;
            var depth = 0;
            while (at < value.Length && (depth > 0 || !IsSeparator(value[at])))
            {
                depth += value[at] == '{' ? 1 : value[at] == '}' ? -1 : 0;
                at++;
            }
            if (depth > 0)
            {
                throw new ConfigException($"missing '}}' in \"{value}\"");
            }
            var element = value[start..at];
            list.Add(element is ['{', .., '}'] ? Spaces.Trim(element[1..^1]) : element);
        }
    }

    private static bool IsSeparator(char c) => c is ',' or ' ' or '\t' or '\r' or '\n';
}
