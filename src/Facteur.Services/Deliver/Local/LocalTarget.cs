using Facteur.Mail.Dsn;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>A destination on its way to delivery, with what its expansion gave it.</summary>
internal sealed record LocalTarget
{
    /// <summary>The destination.</summary>
    public required AliasToken Token { get; init; }

    /// <summary>The recipient address whose expansion it is; its own for an address. Stands in the log.</summary>
    public required string Address { get; init; }

    /// <summary>Delivered-To.</summary>
    public required string DeliveredTo { get; init; }

    /// <summary>How deep the expansion is.</summary>
    public int Level { get; init; }

    /// <summary>"" at the start, else "alias", "forward" or "include".</summary>
    public string Source { get; init; } = "";

    /// <summary>The alias or user whose expansion it is: found again there, an alias of that name is not expanded again.</summary>
    public string ExpandedFrom { get; init; } = "";

    /// <summary>The list's owner, from owner-NAME: the sender of what is delivered and sent on; or null.</summary>
    public string? Owner { get; init; }

    /// <summary>
    /// Who sends on: the list's owner, the user of a .forward, the recipient of an :include:. Other users below it get their mail through the
    /// queue, each with a record of its own there. Null for an alias without owner.
    /// </summary>
    public string? Forwarder { get; init; }

    /// <summary>NOTIFY that is left for what it becomes.</summary>
    public DsnNotify Notify { get; init; }

    /// <summary>The .forward files it comes from, the last one first.</summary>
    public ForwardChain? Forwards { get; init; }

    /// <summary>The extension, with its delimiter, that was not matched and that goes to the result; or "".</summary>
    public string Unmatched { get; init; } = "";

    /// <summary>In whose name files and commands count; null when nobody was named yet: default_privs.</summary>
    public UserIdentity? Rights { get; init; }

    /// <summary>The user in whose name it is, for what commands are told; null as above.</summary>
    public UserAccount? Account { get; init; }
}

/// <summary>The .forward files above a destination.</summary>
/// <param name="Path">One.</param>
/// <param name="Above">Those above it.</param>
internal sealed record ForwardChain(string Path, ForwardChain? Above)
{
    /// <summary>Whether a file is among them.</summary>
    public static bool Contains(ForwardChain? chain, string path)
    {
        while (chain is not null && chain.Path != path)
        {
            chain = chain.Above;
        }
        return chain is not null;
    }
}

/// <summary>A local part taken apart: folded to lower case, without quotes.</summary>
/// <param name="Whole">All of it.</param>
/// <param name="User">Without extension.</param>
/// <param name="Extension">The extension without its delimiter, or null.</param>
/// <param name="Domain">The domain.</param>
internal sealed record LocalPart(string Whole, string User, string? Extension, string Domain)
{
    /// <summary>The extension with its delimiter, or "".</summary>
    public string Unmatched => Extension is null ? "" : Whole[User.Length..];
}
