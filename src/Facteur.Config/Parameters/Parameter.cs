namespace Facteur.Config.Parameters;

/// <summary>What Facteur does with a parameter.</summary>
public enum ParameterClass : byte
{
    /// <summary>Acted on.</summary>
    Acts = 0,

    /// <summary>Nothing to do here (a path of documents, a cache file): accepted in silence.</summary>
    NothingToDo = 1,

    /// <summary>Known, not acted on yet: setting it warns at start and in postfix check.</summary>
    NotYet = 2,
}

/// <summary>A row: one parameter of main.cf. Everything else (binding, postconf, validation, manual) comes from the rows.</summary>
/// <param name="name">Its name.</param>
/// <param name="defaultValue">Its default as an expression, as "postconf -d" prints it.</param>
/// <param name="summary">One sentence.</param>
public abstract class Parameter(string name, string defaultValue, string summary)
{
    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Its default as an expression.</summary>
    public string Default { get; } = defaultValue;

    /// <summary>One sentence.</summary>
    public string Summary { get; } = summary;

    /// <summary>What Facteur does with it.</summary>
    public ParameterClass Class { get; init; }

    /// <summary>Why there is nothing to do; empty where the summary says it, and for other classes.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The type in words: text, yes or no, number, time.</summary>
    public abstract string TypeName { get; }

    /// <summary>The range in words; empty where there is none.</summary>
    public virtual string Range => "";

    /// <summary>Says what is wrong with an expanded value, or null.</summary>
    public abstract string? Check(string value);
}

/// <summary>Free text.</summary>
/// <param name="name">Its name.</param>
/// <param name="defaultValue">Its default.</param>
/// <param name="summary">One sentence.</param>
/// <param name="minLength">Fewest characters: 1 when it may not be empty.</param>
/// <param name="maxLength">Most characters; 0 for no bound.</param>
public sealed class StringParameter(string name, string defaultValue, string summary, int minLength = 0, int maxLength = 0) : Parameter(name, defaultValue, summary)
{
    /// <inheritdoc/>
    public override string TypeName => "text";

    /// <inheritdoc/>
    public override string Range => maxLength > 0 ? $"{minLength} to {maxLength} characters" : minLength == 1 ? "not empty" : minLength > 1 ? $"{minLength} characters or more" : "";

    /// <inheritdoc/>
    public override string? Check(string value) => value.Length < minLength ? $"bad string length {value.Length} < {minLength}: {Name} = {value}"
        : maxLength > 0 && value.Length > maxLength ? $"bad string length {value.Length} > {maxLength}: {Name} = {value}" : null;
}

/// <summary>yes or no.</summary>
/// <param name="name">Its name.</param>
/// <param name="defaultValue">Its default.</param>
/// <param name="summary">One sentence.</param>
public sealed class BoolParameter(string name, string defaultValue, string summary) : Parameter(name, defaultValue, summary)
{
    /// <summary>The value, or null when it is not a boolean.</summary>
    public static bool? Parse(string value) =>
        value.Equals("yes", StringComparison.OrdinalIgnoreCase) ? true : value.Equals("no", StringComparison.OrdinalIgnoreCase) ? false : null;

    /// <inheritdoc/>
    public override string TypeName => "yes or no";

    /// <inheritdoc/>
    public override string? Check(string value) => Parse(value) is null ? $"bad boolean configuration: {Name} = {value}" : null;
}

/// <summary>A number.</summary>
/// <param name="name">Its name.</param>
/// <param name="defaultValue">Its default.</param>
/// <param name="summary">One sentence.</param>
/// <param name="min">Least value.</param>
/// <param name="max">Greatest value; 0 for no bound.</param>
public sealed class IntParameter(string name, string defaultValue, string summary, long min = 0, long max = 0) : Parameter(name, defaultValue, summary)
{
    /// <summary>Least value.</summary>
    public long Min { get; } = min;

    /// <summary>Greatest value; 0 for no bound.</summary>
    public long Max { get; } = max;

    /// <inheritdoc/>
    public override string TypeName => "number";

    /// <inheritdoc/>
    public override string Range => Max > 0 ? $"{Min} to {Max}" : Min == int.MinValue ? "" : $"{Min} or more";

    /// <inheritdoc/>
    public override string? Check(string value)
    {
        if (!long.TryParse(value, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var number))
        {
            return $"bad numerical configuration: {Name} = {value}";
        }
        return number < Min ? $"invalid {Name} parameter value {number} < {Min}"
            : Max > 0 && number > Max ? $"invalid {Name} parameter value {number} > {Max}" : null;
    }
}

/// <summary>A time: a number and a unit s, m, h, d or w.</summary>
/// <param name="name">Its name.</param>
/// <param name="defaultValue">Its default, with its unit.</param>
/// <param name="summary">One sentence.</param>
/// <param name="minSeconds">Least value in seconds.</param>
/// <param name="unit">The unit of a number without one.</param>
/// <param name="maxSeconds">Greatest value in seconds; 0 for no bound.</param>
public sealed class TimeParameter(string name, string defaultValue, string summary, long minSeconds = 0, char unit = 's', long maxSeconds = 0) : Parameter(name, defaultValue, summary)
{
    /// <summary>The unit of a number without one.</summary>
    public char Unit { get; } = unit;

    /// <summary>Seconds of a value, or null when it is not a time.</summary>
    public static long? ParseSeconds(string value, char unit)
    {
        var digits = value.AsSpan().TrimEnd("smhdwSMHDW");
        if (value.Length - digits.Length > 1 || !long.TryParse(digits, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number))
        {
            return null;
        }
        var factor = char.ToLowerInvariant(digits.Length == value.Length ? unit : value[^1]) switch { 's' => 1L, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 604800 };
        return number > int.MaxValue / factor ? null : number * factor;
    }

    /// <inheritdoc/>
    public override string TypeName => "time";

    /// <inheritdoc/>
    public override string Range => maxSeconds > 0 ? $"{minSeconds} to {maxSeconds} seconds" : minSeconds > 0 ? $"{minSeconds} second or more" : "";

    /// <inheritdoc/>
    public override string? Check(string value)
    {
        var seconds = ParseSeconds(value, Unit);
        return seconds is null ? $"parameter {Name}: bad time value or unit: {value}"
            : seconds < minSeconds ? $"invalid {Name} parameter value {seconds} < {minSeconds}"
            : maxSeconds > 0 && seconds > maxSeconds ? $"invalid {Name} parameter value {seconds} > {maxSeconds}" : null;
    }
}
