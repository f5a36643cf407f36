using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
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
        var propagate = ListSyntax.Split(config.Get(LocalParameters.PropagateUnmatchedExtensions));
        PropagateAlias = propagate.Contains("alias", StringComparer.OrdinalIgnoreCase);
        PropagateForward = propagate.Contains("forward", StringComparer.OrdinalIgnoreCase);
        PropagateInclude = propagate.Contains("include", StringComparer.OrdinalIgnoreCase);
        ForwardPath = config.Get(LocalParameters.ForwardPath).Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        ForwardFilter = config.Get(LocalParameters.ForwardExpansionFilter);
        OwnerSpecial = config.Get(LocalParameters.OwnerRequestSpecial);
        ExpandOwner = config.Get(LocalParameters.ExpandOwnerAlias);
        ResetOwner = config.Get(LocalParameters.ResetOwnerAlias);
        FrozenDeliveredTo = config.Get(LocalParameters.FrozenDeliveredTo);
        HomeMailbox = config.Get(LocalParameters.HomeMailbox);
        SpoolDirectory = config.Get(LocalParameters.MailSpoolDirectory);
        MailboxTransports = Maps.Open(tables, LocalParameters.MailboxTransportMaps.Name, config.Get(LocalParameters.MailboxTransportMaps));
        MailboxTransport = config.Get(LocalParameters.MailboxTransport);
        MailboxCommands = Maps.Open(tables, LocalParameters.MailboxCommandMaps.Name, config.Get(LocalParameters.MailboxCommandMaps));
        MailboxCommand = config.Get(LocalParameters.MailboxCommand);
        FallbackTransports = Maps.Open(tables, LocalParameters.FallbackTransportMaps.Name, config.Get(LocalParameters.FallbackTransportMaps));
        FallbackTransport = config.Get(LocalParameters.FallbackTransport);
        CommandDirectory = config.Get(LocalParameters.CommandExecutionDirectory);
        DirectoryFilter = config.Get(LocalParameters.ExecutionDirectoryExpansionFilter);
        CommandFilter = config.Get(LocalParameters.CommandExpansionFilter);
        CommandShell = config.Get(LocalParameters.LocalCommandShell).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        CommandTimeLimit = config.Get(LocalParameters.CommandTimeLimit);
        ExportedEnvironment = CommandEnvironment.Exported(config);
        MailOwner = UserAccount.Find(config.Get(CommonParameters.MailOwner), out var owner) == 0 ? owner?.Uid : null;
        QueueDirectory = config.Get(CommonParameters.QueueDirectory);
        LuserRelay = config.Get(LocalParameters.LuserRelay);
        SizeLimit = new MailboxLimit(config, LocalParameters.MailboxSizeLimit);
        Locks = MailboxLocks.Parse(
            LocalParameters.MailboxDeliveryLock.Name, config.Get(LocalParameters.MailboxDeliveryLock), (int)Math.Min(config.Get(LocalParameters.DeliverLockAttempts), int.MaxValue),
            config.Get(LocalParameters.DeliverLockDelay), config.Get(LocalParameters.StaleLockTime));
        StrictOwner = config.Get(LocalParameters.StrictMailboxOwnership);
        RequireHome = config.Get(LocalParameters.RequireHomeDirectory);
        var limit = config.Get(CleanupParameters.DuplicateFilterLimit);
        DuplicateLimit = limit == 0 ? int.MaxValue : (int)Math.Min(limit, int.MaxValue);
        SoftBounce = config.Get(CommonParameters.SoftBounce);
        OriginalTo = config.Get(CommonParameters.EnableOriginalRecipient);
        Delimiters = DelimiterSettings.Of(config);
        Host = Maildir.HostOf(config);
        // null: there is no such user, and nothing is delivered in its name. Never root's rights.
        var defaults = config.Get(LocalParameters.DefaultPrivs);
        DefaultRights = UserAccount.Find(defaults, out var account) == 0 && account is { Uid: > 0 } ? new UserIdentity(IdentityKind.User, defaults, account.Uid, account.Gid) : null;
    }

    public Maps Aliases { get; }

    public IReadOnlySet<string> FilesAllowed { get; }

    public IReadOnlySet<string> CommandsAllowed { get; }

    public IReadOnlySet<string> DeliveredIn { get; }

    public bool PropagateAlias { get; }

    public bool PropagateForward { get; }

    public bool PropagateInclude { get; }

    public IReadOnlyList<string> ForwardPath { get; }

    public string ForwardFilter { get; }

    public bool OwnerSpecial { get; }

    public bool ExpandOwner { get; }

    public bool ResetOwner { get; }

    public bool FrozenDeliveredTo { get; }

    public string HomeMailbox { get; }

    public string SpoolDirectory { get; }

    public Maps MailboxTransports { get; }

    public string MailboxTransport { get; }

    public Maps MailboxCommands { get; }

    public string MailboxCommand { get; }

    public Maps FallbackTransports { get; }

    public string FallbackTransport { get; }

    public string CommandDirectory { get; }

    public string DirectoryFilter { get; }

    public string CommandFilter { get; }

    public IReadOnlyList<string> CommandShell { get; }

    public TimeSpan CommandTimeLimit { get; }

    /// <summary>export_environment, NAME=VALUE.</summary>
    public IReadOnlyList<string> ExportedEnvironment { get; }

    /// <summary>mail_owner's number; null when there is no such user.</summary>
    public uint? MailOwner { get; }

    public string QueueDirectory { get; }

    public string LuserRelay { get; }

    public MailboxLimit SizeLimit { get; }

    public MailboxLocks Locks { get; }

    public bool StrictOwner { get; }

    public bool RequireHome { get; }

    public int DuplicateLimit { get; }

    public bool SoftBounce { get; }

    public bool OriginalTo { get; }

    public RecipientDelimiters Delimiters { get; }

    public string Host { get; }

    /// <summary>default_privs; null when there is no such user: then nothing is delivered in its name.</summary>
    public UserIdentity? DefaultRights { get; }

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
