namespace Facteur.Config.Parameters;

/// <summary>Parameters of what operators ask of the queue: postqueue(1), mailq(1), showq(8), flush(8).</summary>
public static class ShowqParameters
{
    /// <summary>authorized_mailq_users.</summary>
    public static readonly StringParameter AuthorizedMailqUsers = new("authorized_mailq_users", "static:anyone", "Users who may list the queue.");

    /// <summary>authorized_flush_users.</summary>
    public static readonly StringParameter AuthorizedFlushUsers = new("authorized_flush_users", "static:anyone", "Users who may have the queue tried now.");

    /// <summary>fast_flush_domains.</summary>
    public static readonly StringParameter FastFlushDomains = new("fast_flush_domains", "$relay_domains", "Destinations whose mail may be asked for by ETRN and postqueue -s.");

    /// <summary>ipc_timeout.</summary>
    public static readonly TimeParameter IpcTimeout = new("ipc_timeout", "3600s", "How long a command may take to send a request or to take in a piece of its answer.", 1);

    /// <summary>alternate_config_directories.</summary>
    public static readonly StringParameter AlternateConfigDirectories = new("alternate_config_directories", "", "Directories that set-gid commands accept as -c from any user.");

    /// <summary>multi_instance_directories.</summary>
    public static readonly StringParameter MultiInstanceDirectories = new("multi_instance_directories", "", "Directories of further instances; set-gid commands accept them as -c from any user.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [AuthorizedMailqUsers, AuthorizedFlushUsers, FastFlushDomains, IpcTimeout, AlternateConfigDirectories, MultiInstanceDirectories];
}
