namespace Facteur.Unix;

/// <summary>
/// What the programs of one mail system have in common: they were built from the same sources, and so speak the same frames. An upgrade replaces files under
/// a running master, and what it starts then may be another build.
/// </summary>
public static partial class BuildId
{
    /// <summary>The first 16 hexadecimal digits of a hash of all sources.</summary>
    public static string Value => Hash;
}
