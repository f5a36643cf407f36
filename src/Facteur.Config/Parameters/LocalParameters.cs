namespace Facteur.Config.Parameters;

/// <summary>Parameters of local(8).</summary>
public static class LocalParameters
{
    /// <summary>alias_maps.</summary>
    public static readonly StringParameter AliasMaps = new("alias_maps", "$default_database_type:/etc/aliases", "Tables of aliases(5).");

    /// <summary>allow_mail_to_files.</summary>
    public static readonly StringParameter AllowMailToFiles = new("allow_mail_to_files", "alias, forward", "Where /file/name may stand: alias, forward, include.");

    /// <summary>allow_mail_to_commands.</summary>
    public static readonly StringParameter AllowMailToCommands = new("allow_mail_to_commands", "alias, forward", "Where |command may stand: alias, forward, include.");

    /// <summary>default_privs.</summary>
    public static readonly StringParameter DefaultPrivs = new("default_privs", "nobody", "The user for files and commands of an alias that root owns.", 1);

    /// <summary>forward_path; its $names are local(8)'s and expanded per recipient.</summary>
    public static readonly StringParameter ForwardPath = new(
        "forward_path", "$home/.forward${recipient_delimiter}${extension}, $home/.forward", "Names tried for a user's .forward file.");

    /// <summary>forward_expansion_filter.</summary>
    public static readonly StringParameter ForwardExpansionFilter = new(
        "forward_expansion_filter", "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "Characters kept in what forward_path's $names stand for.");

    /// <summary>owner_request_special.</summary>
    public static readonly BoolParameter OwnerRequestSpecial = new("owner_request_special", "yes", "Whether owner-list gives the sender of mail to an alias, and owner-list and list-request have no extension.");

    /// <summary>expand_owner_alias.</summary>
    public static readonly BoolParameter ExpandOwnerAlias = new("expand_owner_alias", "no", "The sender is what owner-list expands to, not owner-list.");

    /// <summary>reset_owner_alias.</summary>
    public static readonly BoolParameter ResetOwnerAlias = new("reset_owner_alias", "no", "A child alias without owner loses its parent's owner.");

    /// <summary>frozen_delivered_to.</summary>
    public static readonly BoolParameter FrozenDeliveredTo = new("frozen_delivered_to", "yes", "Delivered-To stays what it was at the start of a delivery.");

    /// <summary>prepend_delivered_header.</summary>
    public static readonly StringParameter PrependDeliveredHeader = new("prepend_delivered_header", "command, file, forward", "Where Delivered-To is added.");

    /// <summary>propagate_unmatched_extensions.</summary>
    public static readonly StringParameter PropagateUnmatchedExtensions = new(
        "propagate_unmatched_extensions", "canonical, virtual", "Lookups whose result gets the extension that did not match.");

    /// <summary>home_mailbox.</summary>
    public static readonly StringParameter HomeMailbox = new("home_mailbox", "", "Mailbox in the home directory; a Maildir with / at its end.");

    /// <summary>mail_spool_directory.</summary>
    public static readonly StringParameter MailSpoolDirectory = new("mail_spool_directory", "/var/mail", "Directory of mailboxes; of Maildirs with / at its end.", 1);

    /// <summary>mailbox_command.</summary>
    public static readonly StringParameter MailboxCommand = new("mailbox_command", "", "Command that gets mail for local users; its $names are the shell's.");

    /// <summary>mailbox_command_maps.</summary>
    public static readonly StringParameter MailboxCommandMaps = new("mailbox_command_maps", "", "Commands by recipient.");

    /// <summary>mailbox_transport.</summary>
    public static readonly StringParameter MailboxTransport = new("mailbox_transport", "", "Transport for all local recipients, known or not.");

    /// <summary>mailbox_transport_maps.</summary>
    public static readonly StringParameter MailboxTransportMaps = new("mailbox_transport_maps", "", "Transports by local recipient, known or not.");

    /// <summary>fallback_transport.</summary>
    public static readonly StringParameter FallbackTransport = new("fallback_transport", "", "Transport for recipients that are neither aliases nor users.");

    /// <summary>fallback_transport_maps.</summary>
    public static readonly StringParameter FallbackTransportMaps = new("fallback_transport_maps", "", "Transports by recipient that is neither alias nor user.");

    /// <summary>command_execution_directory; its $names are local(8)'s and expanded per recipient.</summary>
    public static readonly StringParameter CommandExecutionDirectory = new("command_execution_directory", "", "Working directory of commands.");

    /// <summary>execution_directory_expansion_filter.</summary>
    public static readonly StringParameter ExecutionDirectoryExpansionFilter = new(
        "execution_directory_expansion_filter", "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "Characters kept in what command_execution_directory's $names stand for.");

    /// <summary>command_expansion_filter.</summary>
    public static readonly StringParameter CommandExpansionFilter = new(
        "command_expansion_filter", "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "Characters kept in a command's environment.");

    /// <summary>local_command_shell.</summary>
    public static readonly StringParameter LocalCommandShell = new("local_command_shell", "", "Program that runs commands instead of /bin/sh.");

    /// <summary>command_time_limit.</summary>
    public static readonly TimeParameter CommandTimeLimit = new("command_time_limit", "1000s", "Time after which a command is killed.", 1);

    /// <summary>export_environment.</summary>
    public static readonly StringParameter ExportEnvironment = new("export_environment", "TZ MAIL_CONFIG LANG", "Names, or name=value, of the environment of commands.");

    /// <summary>luser_relay; its $names are local(8)'s and expanded per recipient.</summary>
    public static readonly StringParameter LuserRelay = new("luser_relay", "", "Where mail for unknown users goes.");

    /// <summary>mailbox_size_limit.</summary>
    public static readonly IntParameter MailboxSizeLimit = new("mailbox_size_limit", "51200000", "Bytes of a mailbox or of a file in a Maildir; 0 for no limit.");

    /// <summary>mailbox_delivery_lock.</summary>
    public static readonly StringParameter MailboxDeliveryLock = new("mailbox_delivery_lock", "fcntl, dotlock", "How a mailbox is locked.", 1);

    /// <summary>deliver_lock_attempts.</summary>
    public static readonly IntParameter DeliverLockAttempts = new("deliver_lock_attempts", "20", "How often a mailbox's lock is tried.", 1);

    /// <summary>deliver_lock_delay.</summary>
    public static readonly TimeParameter DeliverLockDelay = new("deliver_lock_delay", "1s", "Time between two tries for a lock.");

    /// <summary>stale_lock_time.</summary>
    public static readonly TimeParameter StaleLockTime = new("stale_lock_time", "500s", "Age at which a lock file is removed.", 1);

    /// <summary>strict_mailbox_ownership.</summary>
    public static readonly BoolParameter StrictMailboxOwnership = new("strict_mailbox_ownership", "yes", "Mail waits when a mailbox is not its recipient's.");

    /// <summary>require_home_directory.</summary>
    public static readonly BoolParameter RequireHomeDirectory = new("require_home_directory", "no", "Mail waits while a recipient's home directory is not there.");

    /// <summary>biff.</summary>
    public static readonly BoolParameter Biff = new("biff", "yes", "Notice of new mail to logged-in users.") { Class = ParameterClass.NothingToDo };

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        AliasMaps, AllowMailToFiles, AllowMailToCommands, DefaultPrivs, ForwardPath, ForwardExpansionFilter, OwnerRequestSpecial, ExpandOwnerAlias, ResetOwnerAlias,
        FrozenDeliveredTo, PrependDeliveredHeader, PropagateUnmatchedExtensions, HomeMailbox, MailSpoolDirectory, CommandExecutionDirectory, ExecutionDirectoryExpansionFilter,
        CommandExpansionFilter, LocalCommandShell, CommandTimeLimit, ExportEnvironment, MailboxCommand, MailboxCommandMaps, MailboxTransport,
        MailboxTransportMaps, FallbackTransport, FallbackTransportMaps, LuserRelay, MailboxSizeLimit, MailboxDeliveryLock, DeliverLockAttempts, DeliverLockDelay,
        StaleLockTime, StrictMailboxOwnership, RequireHomeDirectory, Biff,
    ];
}
