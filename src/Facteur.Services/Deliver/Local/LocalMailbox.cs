using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>Gives a recipient's mail to a mailbox, a file or a command, in the name of whom it counts for.</summary>
internal sealed class LocalMailbox(LocalRooms rooms, DeliveryRequest request, DeliveryRecipient recipient, MessageContent content)
{
    private readonly LocalSettings _settings = rooms.Settings;

    private bool VerifyOnly => (request.Flags & DeliveryFlags.VerifyOnly) != 0;

    /// <summary>home_mailbox or mail_spool_directory.</summary>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverAsync(UserAccount account, LocalTarget target, string sender, CancellationToken cancel)
    {
        var isHome = _settings.HomeMailbox.Length > 0;
        var path = isHome ? $"{account.Home}/{_settings.HomeMailbox}"
            : _settings.SpoolDirectory.EndsWith('/') ? $"{_settings.SpoolDirectory}{account.Name}/" : $"{_settings.SpoolDirectory}/{account.Name}";
        var isMaildir = path.EndsWith('/');
        if (VerifyOnly)
        {
            return (DeliveryStatus.Sent(isMaildir ? "delivers to maildir" : "delivers to mailbox"), false);
        }
        var job = Job(path, target, sender, _settings.DeliveredIn.Contains("file") ? target.DeliveredTo : "") with
        {
            SpoolDirectory = isHome || isMaildir ? "" : _settings.SpoolDirectory,
            StrictOwner = _settings.StrictOwner,
        };
        var who = new UserIdentity(IdentityKind.User, account.Name, account.Uid, account.Gid);
        var result = await DeliverAsync(who, job, cancel).ConfigureAwait(false);
        if (isMaildir)
        {
            MaildirLog.Problem(rooms.Log, result.Failure, account.Uid, account.Gid);
        }
        else
        {
            result = result.Prefixed($"cannot update mailbox {path} for user {account.Name}. ");
        }
        return (result.Failure ?? DeliveryStatus.Sent(isMaildir ? "delivered to maildir" : "delivered to mailbox"), result.Damaged);
    }

    /// <summary>/file/name, an mbox; or /directory/, a Maildir.</summary>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverFileAsync(UserIdentity who, LocalTarget target, string sender, CancellationToken cancel)
    {
        var path = target.Token.Text;
        var isMaildir = path.EndsWith('/');
        if (VerifyOnly)
        {
            return (DeliveryStatus.Sent(isMaildir ? "delivers to maildir" : $"delivers to file: {path}"), false);
        }
        var job = Job(path, target, sender, _settings.DeliveredIn.Contains("file") ? target.DeliveredTo : "") with { AnyFile = true };
        var result = await DeliverAsync(who, job, cancel).ConfigureAwait(false);
        if (isMaildir)
        {
            MaildirLog.Problem(rooms.Log, result.Failure, who.Uid, who.Gid);
        }
        else
        {
            result = result.Prefixed($"cannot append message to file {path}: ");
        }
        return (result.Failure ?? DeliveryStatus.Sent(isMaildir ? "delivered to maildir" : $"delivered to file: {path}"), result.Damaged);
    }

    /// <summary>|command, mailbox_command.</summary>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> RunAsync(
        UserIdentity who, string command, LocalTarget target, LocalPart part, string sender, CancellationToken cancel)
    {
        if (VerifyOnly)
        {
            return (DeliveryStatus.Sent($"delivers to command: {command}"), false);
        }
        var directory = LocalExpansion.Expand(_settings.CommandDirectory, name => LocalNames.Filter(LocalNames.Value(name, part, target.Address, target.Account, _settings.Delimiters), _settings.DirectoryFilter));
        if (directory is null)
        {
            return (DeliveryStatus.Deferred(3, 5, "mail system configuration error"), false);
        }
        var job = new CommandJob
        {
            Command = command,
            Shell = _settings.CommandShell,
            Environment = Environment(target, part, sender),
            Directory = directory.Length > 0 ? directory : _settings.QueueDirectory,
            NeedsDirectory = directory.Length > 0,
            TimeLimit = _settings.CommandTimeLimit,
            FileLimit = _settings.SizeLimit.Bytes,
            Head = MailboxCopy.Head(true, sender, OriginalTo(target), _settings.DeliveredIn.Contains("command") ? target.DeliveredTo : "", rooms.Time),
        };
        var end = await rooms.Hands.RunAsync(who, job, content, cancel).ConfigureAwait(false);
        if (end.Kind == CommandEndKind.NotStarted)
        {
            LocalLog.NotStarted(rooms.Log, job, who, end);
        }
        else if (CommandStatus.Ignored(end) is { } code)
        {
            rooms.Log.Warning($"bounce_append: ignoring dsn code \"{code}\"");
        }
        return (CommandStatus.Failure(command, end) ?? DeliveryStatus.Sent($"delivered to command: {command}"),
            end.Kind == CommandEndKind.NoContent && (ContentRead)end.Number == ContentRead.Damaged);
    }

    private async ValueTask<MailboxResult> DeliverAsync(UserIdentity who, MailboxJob job, CancellationToken cancel)
    {
        var end = await MailboxDelivery.DeliverAsync(rooms.Hands, who, job, content, rooms.Time, cancel).ConfigureAwait(false);
        foreach (var warning in end.Warnings)
        {
            rooms.Log.Warning(warning);
        }
        return end.Result;
    }

    private string Original(LocalTarget target) =>
        target.Owner is not null ? "" : recipient.Recipient.OriginalAddress.Length > 0 ? recipient.Recipient.OriginalAddress : recipient.Recipient.Address;

    // Postfix: enable_original_recipient = no leaves the header out and nothing else.
    private string OriginalTo(LocalTarget target) => _settings.OriginalTo ? Original(target) : "";

    // Postfix: without the quotes of its local part.
    private static string Internal(string address)
    {
        var (local, domain) = AddressParts.Split(address);
        return domain.Length > 0 ? $"{AddressParts.Unquote(local)}@{domain}" : AddressParts.Unquote(local);
    }

    private MailboxJob Job(string path, LocalTarget target, string sender, string deliveredTo) => new()
    {
        Path = path,
        Sender = sender,
        OriginalTo = OriginalTo(target),
        DeliveredTo = deliveredTo,
        Host = _settings.Host,
        SizeLimit = _settings.SizeLimit.Bytes,
        ErrorClass = 5,
        Locks = _settings.Locks,
    };

    /// <summary>local(8), "external command delivery": what a command learns, without characters that a shell could take for its own.</summary>
    private List<string> Environment(LocalTarget target, LocalPart part, string sender)
    {
        var variables = new List<string>(_settings.ExportedEnvironment) { CommandEnvironment.Path };
        Add("HOME", target.Account?.Home ?? "");
        variables.Add($"LOGNAME={LocalNames.Filter(part.User, _settings.CommandFilter)}");
        variables.Add($"USER={LocalNames.Filter(part.User, _settings.CommandFilter)}");
        variables.Add($"SENDER={LocalNames.Filter(Internal(sender), _settings.CommandFilter)}");
        variables.Add($"RECIPIENT={LocalNames.Filter(target.Address, _settings.CommandFilter)}");
        variables.Add($"LOCAL={LocalNames.Filter(part.Whole, _settings.CommandFilter)}");
        Add("SHELL", target.Account?.Shell ?? "");
        Add("DOMAIN", part.Domain);
        Add("EXTENSION", part.Extension ?? "");
        Add("ORIGINAL_RECIPIENT", Original(target));
        var client = request.Envelope.OriginalClient;
        Add("CLIENT_HOSTNAME", client.Name);
        Add("CLIENT_ADDRESS", client.Address);
        Add("CLIENT_HELO", client.Helo);
        Add("CLIENT_PROTOCOL", client.Protocol);
        Add("SASL_METHOD", request.Envelope.Attributes.Value(MessageAttributes.SaslMethod));
        Add("SASL_SENDER", request.Envelope.Attributes.Value(MessageAttributes.SaslSender));
        Add("SASL_USERNAME", request.Envelope.Attributes.Value(MessageAttributes.SaslUsername));
        // Postfix 3.9: the sender's name of this transaction (RFC 3461 4.4).
        Add("ENVID", request.Envelope.EnvelopeId);
        return variables;

        void Add(string name, string value)
        {
            if (value.Length > 0)
            {
                variables.Add($"{name}={LocalNames.Filter(value, _settings.CommandFilter)}");
            }
        }
    }
}
