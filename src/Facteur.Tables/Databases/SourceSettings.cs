using System.Globalization;
using System.Text;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;
using Facteur.Tables.Text;

namespace Facteur.Tables.Databases;

/// <summary>
/// The parameters of a table that is a database: "name = value" in a file of main.cf's form, without $name; or, when the table is named by no path,
/// main.cf's parameters whose names begin with the table's (Postfix: cfg_parser).
/// </summary>
internal sealed class SourceSettings
{
    private readonly Func<string, string?> _find;
    private readonly string _place;
    private readonly string _prefix;

    private SourceSettings(string place, string prefix, Func<string, string?> find) => (_place, _prefix, _find) = (place, prefix, find);

    /// <summary>Whose file it was when it was read; of main.cf's parameters, root's.</summary>
    public uint Owner { get; private init; }

    /// <summary>Reads the parameters of a table.</summary>
    /// <exception cref="TableException">They can't be read.</exception>
    public static SourceSettings Read(TableRequest request)
    {
        var argument = request.Argument;
        if (argument is not ['/' or '.', ..])
        {
            return new SourceSettings(argument, argument + "_", name => request.Set.Config.Find($"{argument}_{name}"));
        }
        var file = MainCfFile.Parse(argument, Encoding.UTF8.GetString(TableSource.Read(argument, "open", out var owner)));
        if (file.Errors.Count > 0)
        {
            throw new TableException(file.Errors[0]);
        }
        foreach (var warning in file.Warnings)
        {
            request.Events.Warning(warning);
        }
        var known = DatabaseParameters.Of(request.Type, "").ToHashSet(StringComparer.Ordinal);
        foreach (var (name, entry) in file.Entries.Where(e => !known.Contains("_" + e.Key)))
        {
            request.Events.Warning($"{argument}, line {entry.Line}: unused parameter: {name}={entry.Value}");
        }
        return new SourceSettings(argument, "", name => file.Entries.TryGetValue(name, out var entry) ? entry.Value : null) { Owner = owner };
    }

    /// <summary>A text, as it was written; null when it is not there.</summary>
    public string? Find(string name) => _find(name);

    /// <summary>A text.</summary>
    public string Text(string name, string otherwise = "") => _find(name) ?? otherwise;

    /// <summary>What is wrong with a text that must not be empty.</summary>
    public string TooShort(string name) => $"{(_prefix.Length > 0 ? "" : _place + ": ")}bad string length 0 < 1: {_prefix}{name} = ";

    /// <summary>A number.</summary>
    /// <exception cref="TableException">It is none, or out of range.</exception>
    public int Number(string name, int otherwise, int min = 0, int max = int.MaxValue)
    {
        if (_find(name) is not { } text)
        {
            return otherwise;
        }
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            throw new TableException($"{_place}: bad numerical configuration: {_prefix}{name} = {text}");
        }
        return number < min ? throw new TableException($"{_place}: invalid {_prefix}{name} parameter value {number} < {min}")
            : number > max ? throw new TableException($"{_place}: invalid {_prefix}{name} parameter value {number} > {max}") : number;
    }

    /// <summary>yes or no.</summary>
    /// <exception cref="TableException">It is neither.</exception>
    public bool Flag(string name, bool otherwise) => _find(name) switch
    {
        null => otherwise,
        var text when text.Equals("yes", StringComparison.OrdinalIgnoreCase) => true,
        var text when text.Equals("no", StringComparison.OrdinalIgnoreCase) => false,
        var text => throw new TableException($"{_place}: bad boolean configuration: {_prefix}{name} = {text}"),
    };
}
