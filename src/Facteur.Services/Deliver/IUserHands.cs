namespace Facteur.Services.Deliver;

/// <summary>How an identity is found; whoever takes it looks it up anew.</summary>
internal enum IdentityKind : byte
{
    /// <summary>A user of the system, by name.</summary>
    User = 1,

    /// <summary>The owner of a file (an alias file, an :include: file), by the file's path.</summary>
    Owner = 2,

    /// <summary>Numbers from virtual_uid_maps and virtual_gid_maps.</summary>
    Virtual = 3,

    /// <summary>"user" or "user:group" of a pipe service of master.cf.</summary>
    Pipe = 4,
}

/// <summary>In whose name something is done.</summary>
/// <param name="Kind">How it is found.</param>
/// <param name="Name">The user, or the file; "" for numbers.</param>
/// <param name="Uid">User number.</param>
/// <param name="Gid">Group number.</param>
/// <param name="Root">Its root directory (pipe's chroot=), or "" for the system's.</param>
internal readonly record struct UserIdentity(IdentityKind Kind, string Name, uint Uid, uint Gid, string Root = "")
{
    /// <inheritdoc/>
    public override string ToString() => Kind is IdentityKind.User or IdentityKind.Pipe ? Name : Kind == IdentityKind.Owner ? $"owner of {Name}" : $"{Uid}/{Gid}";
}

/// <summary>All that is done with a user's rights. Nothing throws for what files, users and commands can cause.</summary>
internal interface IUserHands
{
    /// <summary>They act as whom they are told to; else, without the rights for it, always as this process's user.</summary>
    bool CanChange { get; }

    /// <summary>Reads a .forward or :include: file.</summary>
    /// <param name="who">In whose name.</param>
    /// <param name="path">The file.</param>
    /// <param name="followLinks">Whether its last name may be a link.</param>
    /// <param name="cancel">Ends waiting for room.</param>
    ValueTask<FileRead> ReadAsync(UserIdentity who, string path, bool followLinks, CancellationToken cancel);

    /// <summary>Delivers into a mailbox or file, once: it says that the mailbox is locked, and does not wait.</summary>
    ValueTask<MailboxEnd> DeliverAsync(UserIdentity who, MailboxJob job, IContentSource content, CancellationToken cancel);

    /// <summary>Gives a message to a command.</summary>
    ValueTask<CommandEnd> RunAsync(UserIdentity who, CommandJob job, IContentSource content, CancellationToken cancel);
}

/// <summary>A file as its reader found it.</summary>
/// <param name="Errno">0, or why it could not be looked at or read.</param>
/// <param name="Found">The name is there, whatever became of reading.</param>
/// <param name="Mode">Kind and permissions.</param>
/// <param name="Owner">Its owner.</param>
/// <param name="Text">Its text when it is a regular file of at most <see cref="UserFile.Limit"/> bytes, else null.</param>
internal sealed record FileRead(int Errno, bool Found, uint Mode, uint Owner, string? Text);

/// <summary>One delivery into a mailbox.</summary>
internal sealed record MailboxJob
{
    /// <summary>The mbox; or the Maildir, with "/" at its end.</summary>
    public required string Path { get; init; }

    /// <summary>The directory of mailboxes that holds the mbox, when it is one of mail_spool_directory; else "".</summary>
    public string SpoolDirectory { get; init; } = "";

    /// <summary>Envelope sender, external form.</summary>
    public required string Sender { get; init; }

    /// <summary>X-Original-To, or "" for none.</summary>
    public required string OriginalTo { get; init; }

    /// <summary>Delivered-To, or "" for none.</summary>
    public required string DeliveredTo { get; init; }

    /// <summary>This host's name, for names of Maildir files.</summary>
    public required string Host { get; init; }

    /// <summary>Largest file in bytes; 0 for no limit.</summary>
    public required long SizeLimit { get; init; }

    /// <summary>4 or 5: the class of errors of the mailbox itself.</summary>
    public required byte ErrorClass { get; init; }

    /// <summary>How an mbox is locked.</summary>
    public required MailboxLocks Locks { get; init; }

    /// <summary>A file named in an alias may be a device or a pipe, and goes without lock file where none can be made.</summary>
    public bool AnyFile { get; init; }

    /// <summary>strict_mailbox_ownership: it must belong to the user.</summary>
    public bool StrictOwner { get; init; }

    /// <summary>It ends in "/".</summary>
    public bool IsMaildir => Path.EndsWith('/');
}

/// <summary>The end of a delivery into a mailbox.</summary>
/// <param name="Result">What became of it.</param>
/// <param name="Warnings">What is to be logged.</param>
internal sealed record MailboxEnd(MailboxResult Result, IReadOnlyList<string> Warnings);

/// <summary>A message for a command.</summary>
internal sealed record CommandJob
{
    /// <summary>The command as written; "" when there are <see cref="Arguments"/>.</summary>
    public required string Command { get; init; }

    /// <summary>argv, run as it is and never by a shell; or none, for a command as written.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>local_command_shell with its arguments, or none.</summary>
    public required IReadOnlyList<string> Shell { get; init; }

    /// <summary>Its whole environment, NAME=VALUE.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    /// <summary>Its working directory.</summary>
    public required string Directory { get; init; }

    /// <summary>Without the directory there is no command; else it runs where it can.</summary>
    public required bool NeedsDirectory { get; init; }

    /// <summary>command_time_limit.</summary>
    public required TimeSpan TimeLimit { get; init; }

    /// <summary>Largest file that it may write, in bytes; 0 for no limit.</summary>
    public long FileLimit { get; init; }

    /// <summary>The lines in front of the content.</summary>
    public required byte[] Head { get; init; }
}

/// <summary>How a command ended.</summary>
internal enum CommandEndKind : byte
{
    /// <summary>It exited with the status.</summary>
    Exited = 1,

    /// <summary>It was ended by the signal.</summary>
    Signalled = 2,

    /// <summary>It did not end in time and was killed.</summary>
    TimedOut = 3,

    /// <summary>It could not be started; nothing was run.</summary>
    NotStarted = 4,

    /// <summary>The content is damaged, or can't be read now; the command was killed.</summary>
    NoContent = 5,
}

/// <summary>The end of a command.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Number">Exit status or signal; for <see cref="CommandEndKind.NoContent"/> the <see cref="Spool.ContentRead"/>.</param>
/// <param name="Output">What it wrote, one printable line; or why it was not started.</param>
internal sealed record CommandEnd(CommandEndKind Kind, int Number, string Output);
