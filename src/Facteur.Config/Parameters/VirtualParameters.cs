namespace Facteur.Config.Parameters;

/// <summary>Parameters of virtual(8); what it shares with local(8) is in <see cref="LocalParameters"/>.</summary>
public static class VirtualParameters
{
    /// <summary>virtual_mailbox_base.</summary>
    public static readonly StringParameter MailboxBase = new("virtual_mailbox_base", "", "Directory in front of what virtual_mailbox_maps gives.");

    /// <summary>virtual_mailbox_maps.</summary>
    public static readonly StringParameter MailboxMaps = new("virtual_mailbox_maps", "", "Mailboxes by recipient.");

    /// <summary>virtual_minimum_uid.</summary>
    public static readonly IntParameter MinimumUid = new("virtual_minimum_uid", "100", "Least user number that virtual_uid_maps may give.", 1);

    /// <summary>virtual_uid_maps.</summary>
    public static readonly StringParameter UidMaps = new("virtual_uid_maps", "", "User numbers by recipient.");

    /// <summary>virtual_gid_maps.</summary>
    public static readonly StringParameter GidMaps = new("virtual_gid_maps", "", "Group numbers by recipient.");

    /// <summary>virtual_mailbox_limit.</summary>
    public static readonly IntParameter MailboxLimit = new("virtual_mailbox_limit", "51200000", "Bytes of a mailbox or of a file in a Maildir; 0 for no limit.");

    /// <summary>virtual_mailbox_lock.</summary>
    public static readonly StringParameter MailboxLock = new("virtual_mailbox_lock", "fcntl, dotlock", "How a mailbox is locked.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [MailboxBase, MailboxMaps, MinimumUid, UidMaps, GidMaps, MailboxLimit, MailboxLock];
}
