using Facteur.Config.MainCf;

namespace Facteur.Commands;

/// <summary>postconf's command line.</summary>
internal sealed class PostconfOptions
{
    internal const string Usage =
        "usage: postconf [-dfhHjnpqvx] [-c config_dir] [-C class,...] [-o name=value] [name ...] | [-e] name=value ... | -X name ... | -# name ... | "
        + "-M [-f] [service[/type] ...] | -Me service/type=entry | -MX service/type | -M# service/type | "
        + "-F [-fhH] [service[/type[/field]] ...] | -Fe service/type/field=value | "
        + "-P [-fhH] [service[/type[/name]] ...] | -Pe service/type/name=value | -PX service/type/name | -b [file] | -t [file] | -T mode | -a | -A | -l | -m";

    // One of these chooses what is shown or done.
    private const string Modes = "aAlmbtTMFPp";
    private const string Actions = "denX#";
    private const string OtherModes = "aAlmbtT";

    // In Postfix's order, in which they are told.
    private const string Letters = "aAbdefFhHjlmMnopPtTxX#";

    private static readonly string[] Exclusive = [Modes, Actions, "do", "feX#", "xeX#", "oeX#", "hHeX#", "jeX#"];

    private readonly HashSet<char> _flags = [];
    private readonly List<KeyValuePair<string, string>> _overrides = [];

    internal string? Directory { get; private set; }

    internal IReadOnlyList<KeyValuePair<string, string>> Overrides => _overrides;

    internal IReadOnlySet<string> Classes { get; private set; } = new HashSet<string> { "builtin", "service", "user" };

    internal IReadOnlyList<string> Operands { get; private set; } = [];

    internal int Verbose { get; private set; }

    /// <summary>The argument of -T.</summary>
    internal string TlsMode { get; private set; } = "";

    /// <summary>The letter of the mode: one of aAlmbtTMFP, or p for main.cf.</summary>
    internal char Mode { get; private set; } = 'p';

    /// <summary>d, n, e, X or #; a blank for showing what is set or by default so.</summary>
    internal char Action { get; private set; } = ' ';

    internal bool Has(char flag) => _flags.Contains(flag);

    /// <summary>Reads the arguments; says what is wrong, or null.</summary>
    internal string? Read(IReadOnlyList<string> arguments, TextWriter error, string name)
    {
        var options = new GetOpt(arguments, "aAbc:C:deEfFhHjlmMno:pPqtT:vxX#");
        while (options.Next())
        {
            switch (options.Option)
            {
                case '?':
                    error.WriteLine($"{name}: {options.Error}");
                    return Usage;
                case 'c':
                    Directory = options.Argument;
                    break;
                case 'C':
                    if (!ReadClasses(options.Argument, out var unknown))
                    {
                        return $"unknown -C option value \"{unknown}\" in \"{options.Argument}\"";
                    }
                    break;
                case 'o':
                    if (MainCfFile.SplitNameValue(options.Argument, out var key, out var value) is { } wrong)
                    {
                        return $"invalid parameter override: {options.Argument}: {wrong}";
                    }
                    _overrides.Add(new(key, value));
                    _flags.Add('o');
                    break;
                case 'v':
                    Verbose++;
                    break;
                case 'T':
                    TlsMode = options.Argument;
                    _flags.Add('T');
                    break;
                default:
                    _flags.Add(options.Option);
                    break;
            }
        }
        Operands = options.Operands;
        return Combine();
    }

    private bool ReadClasses(string argument, out string? unknown)
    {
        var classes = new HashSet<string>(StringComparer.Ordinal);
        unknown = null;
        foreach (var word in argument.Split([' ', ',', '\t'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word == "all")
            {
                classes.UnionWith(["builtin", "service", "user"]);
            }
            else if (word is "builtin" or "service" or "user")
            {
                classes.Add(word);
            }
            else
            {
                unknown = word;
            }
        }
        Classes = classes;
        return unknown is null;
    }

    private string? Combine()
    {
        // Postfix: a value on the command line means -e.
        if (!_flags.Overlaps(OtherModes) && Operands.Any(o => o.Contains('=', StringComparison.Ordinal)))
        {
            _flags.Add('e');
        }
        if (Has('b') && Has('t'))
        {
            return "specify one of -b and -t";
        }
        foreach (var group in Exclusive)
        {
            var present = Letters.Where(f => group.Contains(f, StringComparison.Ordinal) && _flags.Contains(f)).ToList();
            if (present.Count > 1)
            {
                return $"specify one of{string.Concat(present.Select(f => $" -{f}"))}";
            }
        }
        Mode = Modes.FirstOrDefault(_flags.Contains, 'p');
        Action = Actions.FirstOrDefault(_flags.Contains, ' ');
        return Forbidden();
    }

    private string? Forbidden()
    {
        var forbidden = Mode switch
        {
            'p' => "",
            'M' => "dnhH",
            'F' => "dnX#",
            'P' => "dn#",
            'b' or 't' => "defhHjnxX#",
            _ => "defhHjnoxX#",
        };
        var present = Letters.Where(f => forbidden.Contains(f, StringComparison.Ordinal) && _flags.Contains(f)).ToList();
        return present.Count == 0 ? null : $"with option -{Mode}, do not specify{string.Concat(present.Select(f => $" -{f}"))}";
    }
}
