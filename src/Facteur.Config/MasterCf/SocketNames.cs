using Facteur.Config.Parameters;

namespace Facteur.Config.MasterCf;

/// <summary>
/// What the names of Unix-domain sockets in an entry's parameters mean (unix:private/x of lmtp, policy services, milters, SASL). Postfix's services live in
/// queue_directory, where relative names begin; one with chroot = y can see nothing else, so there queue_directory is also where absolute names begin, and
/// ".." leads no higher. Ours are confined in another way (docs/security.md); the names mean the same. Not for tables and other files: Postfix opens
/// those before it enters the jail.
/// </summary>
/// <param name="QueueDirectory">queue_directory.</param>
/// <param name="Chroot">The entry's chroot field.</param>
public readonly record struct SocketNames(string QueueDirectory, bool Chroot)
{
    /// <summary>The names of an entry.</summary>
    /// <param name="config">The entry's snapshot.</param>
    /// <param name="entry">The entry.</param>
    public static SocketNames Of(IConfig config, MasterEntry entry) => new(config.Get(CommonParameters.QueueDirectory), entry.Chroot);

    /// <summary>The path that a name stands for; the name is what follows "unix:".</summary>
    public string Resolve(string name) =>
        Chroot ? Path.Join(QueueDirectory, Path.GetFullPath(name, "/")) : Path.Combine(QueueDirectory, name);
}
