using Facteur.Tables;

namespace Facteur.Commands;

/// <summary>What postmap and postalias were asked to do.</summary>
internal sealed record TableCommandOptions
{
    /// <summary>Aliases(5) instead of postmap(1)'s text.</summary>
    public bool Aliases { get; init; }

    /// <summary>-c.</summary>
    public string? ConfigDirectory { get; init; }

    /// <summary>-q.</summary>
    public string? Query { get; init; }

    /// <summary>-d.</summary>
    public string? Delete { get; init; }

    /// <summary>-s.</summary>
    public bool List { get; init; }

    /// <summary>-i.</summary>
    public bool Incremental { get; init; }

    /// <summary>-r: existing entries are replaced.</summary>
    public bool Replace { get; init; }

    /// <summary>-w: existing entries stay, in silence.</summary>
    public bool KeepInSilence { get; init; }

    /// <summary>-p turns it off: a new index has the text's permissions.</summary>
    public bool InheritMode { get; init; } = true;

    /// <summary>-o: root stays root for a text that is a user's.</summary>
    public bool KeepRights { get; init; }

    /// <summary>-F: values are names of files whose content is stored.</summary>
    public bool FileValues { get; init; }

    /// <summary>-h: headers of the message on standard input are keys.</summary>
    public bool Headers { get; init; }

    /// <summary>-b: lines of its body are keys.</summary>
    public bool Body { get; init; }

    /// <summary>-j: answers are JSON objects, one a line.</summary>
    public bool Json { get; init; }

    /// <summary>-m: it is read as MIME.</summary>
    public bool Mime { get; init; }

    /// <summary>-U: UTF-8 is checked with -b and -h too.</summary>
    public bool ForceUtf8 { get; init; }

    /// <summary>-u: no UTF-8.</summary>
    public bool NoUtf8 { get; init; }

    /// <summary>-v.</summary>
    public bool Verbose { get; init; }

    /// <summary>Folding (-f) and NUL bytes (-n, -N).</summary>
    public TableOptions Tables { get; init; } = new();

    /// <summary>What follows the options.</summary>
    public IReadOnlyList<string> Operands { get; init; } = [];

    /// <summary>Takes one option; false when it is said twice or contradicts another.</summary>
    public static bool TryTake(ref TableCommandOptions options, char letter, string argument)
    {
        if (letter is 'q' or 'd' or 's' && (options.Query is not null || options.Delete is not null || (options.List && letter != 's')))
        {
            return false;
        }
        options = letter switch
        {
            'b' => options with { Body = true },
            'c' => options with { ConfigDirectory = argument },
            'd' => options with { Delete = argument },
            'f' => options with { Tables = options.Tables with { FoldKeys = false } },
            'F' => options with { FileValues = true },
            'h' => options with { Headers = true },
            'i' => options with { Incremental = true },
            'j' => options with { Json = true },
            'm' => options with { Mime = true },
            'n' => options with { Tables = options.Tables with { NulTerminated = false } },
            'N' => options with { Tables = options.Tables with { NulTerminated = true } },
            'p' => options with { InheritMode = false },
            'q' => options with { Query = argument },
            'r' => options with { Replace = true, KeepInSilence = false },
            's' => options with { List = true },
            'u' => options with { NoUtf8 = true },
            'U' => options with { ForceUtf8 = true },
            'v' => options with { Verbose = true },
            'w' => options with { KeepInSilence = true, Replace = false },
            'o' => options with { KeepRights = true },
            _ => options,
        };
        return true;
    }
}
