namespace Facteur.Config.Parameters;

/// <summary>Parameters that Postfix has not. They may be set; listings of all parameters are Postfix's and leave them out.</summary>
public static class FacteurParameters
{
    /// <summary>queue_owner; read by master, which gives the identity.</summary>
    public static readonly StringParameter QueueOwner = new("queue_owner", "$mail_owner", "The user that the queue's process runs as; with one of its own no other process can write the queue.", 1);

    /// <summary>allow_queue_on_nfs; read when the queue is opened.</summary>
    public static readonly BoolParameter AllowQueueOnNfs = new("allow_queue_on_nfs", "no", "Whether the queue may be on NFS, where locks and syncs are another machine's word.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [QueueOwner, AllowQueueOnNfs];
}
