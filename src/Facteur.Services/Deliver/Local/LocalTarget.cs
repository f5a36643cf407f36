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

    /// <summary>The alias it comes from directly: found again there, it is the user of that name.</summary>
    public string AliasName { get; init; } = "";

    /// <summary>The user whose .forward it comes from, or "".</summary>
    public string ForwardUser { get; init; } = "";

    /// <summary>The alias's owner: the sender of what is sent on, or null.</summary>
    public string? Owner { get; init; }

    /// <summary>The extension, with its delimiter, that no alias matched and that goes to the result; or "".</summary>
    public string Unmatched { get; init; } = "";

    /// <summary>In whose name files count: the user's or the alias file's owner's; null when there is nobody: no file is touched.</summary>
    public Rights? Rights { get; init; }
}

/// <summary>What is known of a local name.</summary>
/// <param name="Account">The user, or null when there is none.</param>
/// <param name="Errno">The user database can't answer: its errno; else 0.</param>
/// <param name="Forward">What the user's .forward names, or null when there is none to follow.</param>
/// <param name="ForwardFailed">The .forward can't be read now, or the home directory is missing while it is required.</param>
internal sealed record LocalUser(UserAccount? Account, int Errno, List<AliasToken>? Forward, string? ForwardFailed);
