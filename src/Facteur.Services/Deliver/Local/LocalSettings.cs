using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>What local(8) reads of its configuration, once.</summary>
internal sealed class LocalSettings
{
    /// <summary>Reads and checks.</summary>
    /// <exception cref="ConfigException">A value can't be used with the others.</exception>
    public LocalSettings(IConfig config, ITableSet tables)
    {
        Aliases = Maps.Open(tables, LocalParameters.AliasMaps.Name, config.Get(LocalParameters.AliasMaps));
        FilesAllowed = Sources(config, LocalParameters.AllowMailToFiles, "alias", "forward", "include");
        CommandsAllowed = Sources(config, LocalParameters.AllowMailToCommands, "alias", "forward", "include");
        DeliveredIn = Sources(config, LocalParameters.PrependDeliveredHeader, "command", "file", "forward");
        PropagateAlias = ListSyntax.Split(config.Get(LocalParameters.PropagateUnmatchedExtensions)).Contains("alias", StringComparer.OrdinalIgnoreCase);
        ForwardPath = config.Get(LocalParameters.ForwardPath);
        ForwardFilter = config.Get(LocalParameters.ForwardExpansionFilter);
        OwnerSpecial = config.Get(LocalParameters.OwnerRequestSpecial);
        ExpandOwner = config.Get(LocalParameters.ExpandOwnerAlias);
        ResetOwner = config.Get(LocalParameters.ResetOwnerAlias);
        FrozenDeliveredTo = config.Get(LocalParameters.FrozenDeliveredTo);
        HomeMailbox = config.Get(LocalParameters.HomeMailbox);
        SpoolDirectory = config.Get(LocalParameters.MailSpoolDirectory);
        MailboxTransportMaps = Maps.Open(tables, LocalParameters.MailboxTransportMaps.Name, config.Get(LocalParameters.MailboxTransportMaps));
        MailboxTransport = config.Get(LocalParameters.MailboxTransport);
        FallbackTransportMaps = Maps.Open(tables, LocalParameters.FallbackTransportMaps.Name, config.Get(LocalParameters.FallbackTransportMaps));
        FallbackTransport = config.Get(LocalParameters.FallbackTransport);
        CommandNotBuilt = new[] { LocalParameters.MailboxCommandMaps, LocalParameters.MailboxCommand }.FirstOrDefault(p => config.Get(p).Length > 0)?.Name;
        LuserRelay = config.Get(LocalParameters.LuserRelay);
        SizeLimit = config.Get(LocalParameters.MailboxSizeLimit);
        var message = config.Get(CommonParameters.MessageSizeLimit);
        if (SizeLimit > 0 && (message == 0 || SizeLimit < message))
        {
            throw new ConfigException("main.cf configuration error: mailbox_size_limit is smaller than message_size_limit");
        }
        Locks = MailboxLocks.Parse(
            LocalParameters.MailboxDeliveryLock.Name, config.Get(LocalParameters.MailboxDeliveryLock), (int)Math.Min(config.Get(LocalParameters.DeliverLockAttempts), int.MaxValue),
            config.Get(LocalParameters.DeliverLockDelay), config.Get(LocalParameters.StaleLockTime));
        StrictOwner = config.Get(LocalParameters.StrictMailboxOwnership);
        RequireHome = config.Get(LocalParameters.RequireHomeDirectory);
        var limit = config.Get(CleanupParameters.DuplicateFilterLimit);
        DuplicateLimit = limit == 0 ? int.MaxValue : (int)Math.Min(limit, int.MaxValue);
        SoftBounce = config.Get(CommonParameters.SoftBounce);
        OriginalTo = config.Get(CommonParameters.EnableOriginalRecipient);
        Delimiters = config.Get(CommonParameters.RecipientDelimiter);
        Host = config.Get(CommonParameters.Myhostname);
        DefaultRights = Rights.Of(config.Get(LocalParameters.DefaultPrivs));
    }

    public Maps Aliases { get; }

    public IReadOnlySet<string> FilesAllowed { get; }

    public IReadOnlySet<string> CommandsAllowed { get; }

    public IReadOnlySet<string> DeliveredIn { get; }

    public bool PropagateAlias { get; }

    public string ForwardPath { get; }

    public string ForwardFilter { get; }

    public bool OwnerSpecial { get; }

    public bool ExpandOwner { get; }

    public bool ResetOwner { get; }

    public bool FrozenDeliveredTo { get; }

    public string HomeMailbox { get; }

    public string SpoolDirectory { get; }

    /// <summary>Transports of recipients with or without an account, by bare local part without extension.</summary>
    public Maps MailboxTransportMaps { get; }

    /// <summary>The transport of the others, "transport:nexthop" or "".</summary>
    public string MailboxTransport { get; }

    /// <summary>Transports of recipients without an account.</summary>
    public Maps FallbackTransportMaps { get; }

    /// <summary>The transport of the others without an account, or "".</summary>
    public string FallbackTransport { get; }

    /// <summary>The name of a parameter set that names a command and is not acted on, or null.</summary>
    public string? CommandNotBuilt { get; }

    public string LuserRelay { get; }

    public long SizeLimit { get; }

    public MailboxLocks Locks { get; }

    public bool StrictOwner { get; }

    public bool RequireHome { get; }

    public int DuplicateLimit { get; }

    public bool SoftBounce { get; }

    public bool OriginalTo { get; }

    public string Delimiters { get; }

    public string Host { get; }

    /// <summary>default_privs; null when there is no such user: then nothing is delivered in its name.</summary>
    public Rights? DefaultRights { get; }

    private static HashSet<string> Sources(IConfig config, StringParameter parameter, params string[] known)
    {
        var set = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var name in ListSyntax.Split(config.Get(parameter)))
        {
            if (!known.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                throw new ConfigException($"{parameter.Name}: unknown value \"{name}\": expected {string.Join(", ", known)}");
            }
            set.Add(name);
        }
        return set;
    }
}

/// <summary>In whose name a file is written or read.</summary>
/// <param name="Uid">User number.</param>
/// <param name="Gid">Group number.</param>
internal readonly record struct Rights(uint Uid, uint Gid)
{
    /// <summary>A user's rights, or null when there is no such user or the database can't answer.</summary>
    public static Rights? Of(string user) => UserAccount.Find(user, out var account) == 0 && account is not null ? new Rights(account.Uid, account.Gid) : null;

    /// <summary>A user number's rights, or null as above.</summary>
    public static Rights? Of(uint uid) => UserAccount.Find(uid, out var account) == 0 && account is not null ? new Rights(account.Uid, account.Gid) : null;
}
