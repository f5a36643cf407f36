namespace Facteur.Tables;

/// <summary>How tables are opened (Postfix: DICT_FLAG_*).</summary>
public sealed record TableOptions
{
    /// <summary>Keys of fixed-string tables are folded to lower case.</summary>
    public bool FoldKeys { get; init; } = true;

    /// <summary>Keys and values are UTF-8, and lines that are not are refused; else they are bytes, shown as Latin-1.</summary>
    public bool Utf8 { get; init; } = true;

    /// <summary>Whether keys and values of indexes end with a NUL byte; null: either when read, yes when written.</summary>
    public bool? NulTerminated { get; init; }

    /// <summary>
    /// The tables decide about identities, files or commands (local(8), virtual(8)): proxy: is refused, and so are substitutions in
    /// results, which a sender could steer.
    /// </summary>
    public bool SecuritySensitive { get; init; }

    /// <summary>The tables decide where mail goes: results of patterns hold no parts of the key, which a sender or a recipient could choose (transport(5)).</summary>
    public bool FixedResults { get; init; }

    /// <summary>Texts of indexed tables are in the form of aliases(5), whatever alias_maps says (postalias).</summary>
    public bool AliasText { get; init; }

    /// <summary>Sees what the tables answer; null: nobody does, and nothing is spent on it.</summary>
    public ITableObserver? Observer { get; init; }
}
