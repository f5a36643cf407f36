namespace Facteur.Config.Parameters;

/// <summary>Parameters of local submission: sendmail(1), postdrop(1), pickup(8).</summary>
public static class SendmailParameters
{
    /// <summary>sendmail_fix_line_endings.</summary>
    public static readonly StringParameter FixLineEndings = new("sendmail_fix_line_endings", "always", "When CR LF becomes LF: always, strict or never.", 1);

    /// <summary>authorized_submit_users.</summary>
    public static readonly StringParameter AuthorizedSubmitUsers = new("authorized_submit_users", "static:anyone", "Users who may submit mail: names, /file/name, static:all, and ! in front of each.");

    /// <summary>command_directory.</summary>
    public static readonly StringParameter CommandDirectory = new("command_directory", "/usr/sbin", "Where the commands are; postdrop, postqueue and postlog among them.", 1);

    /// <summary>local_login_sender_maps.</summary>
    public static readonly StringParameter LocalLoginSenderMaps = new("local_login_sender_maps", "static:*", "Tables from a local user's name to the envelope senders that he may say.");

    /// <summary>empty_address_local_login_sender_maps_lookup_key.</summary>
    public static readonly StringParameter EmptyAddressLookupKey = new("empty_address_local_login_sender_maps_lookup_key", "<>", "How local_login_sender_maps says the null sender.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [FixLineEndings, AuthorizedSubmitUsers, CommandDirectory, LocalLoginSenderMaps, EmptyAddressLookupKey];
}
