using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>
/// pipe(8): gives messages to an external command, in the name of whom master.cf says, and never by a shell. What needs that user's rights is
/// done by <see cref="IUserHands"/>.
/// </summary>
public sealed class PipeAgent : IDeliveryAgent
{
    private readonly PipeCommand? _command;
    private readonly string? _wrong;
    private readonly string _service;
    private readonly string _masterCf;
    private readonly string _owner;
    private readonly string _postdrop;
    private readonly RecipientDelimiters _delimiters;
    private readonly string _queueDirectory;
    private readonly bool _softBounce;
    private readonly bool _originalTo;
    private readonly DeliveryStatusFilter? _filter;
    private readonly TimeSpan _timeLimit;
    private readonly List<string> _environment;
    private readonly ISpoolReader _reader;
    private readonly IUserHands _hands;
    private readonly BlockingThreads _threads;
    private readonly ServiceLog _log;
    private readonly TimeProvider _time;

    /// <summary>Makes the agent of one master.cf entry. What is wrong with the entry itself makes its mail wait, and nothing else.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="service">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="reader">Contents.</param>
    /// <param name="hands">Who acts in users' names.</param>
    /// <param name="threads">Threads for what blocks.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    /// <param name="tables">Where tables are opened; null for none.</param>
    /// <exception cref="ConfigException">Its time limit is no time.</exception>
    public PipeAgent(
        IConfig config, string service, IReadOnlyList<string> arguments, ISpoolReader reader, UserHands hands, BlockingThreads threads, ServiceLog log, TimeProvider time,
        ITableSet? tables = null)
    {
        _command = PipeCommand.Parse(arguments, out _wrong);
        _service = service;
        _masterCf = Path.Combine(config.ConfigDirectory, "master.cf");
        _owner = config.Get(CommonParameters.MailOwner);
        _postdrop = config.Get(CommonParameters.SetgidGroup);
        _delimiters = DelimiterSettings.Of(config);
        _queueDirectory = config.Get(CommonParameters.QueueDirectory);
        _originalTo = config.Get(CommonParameters.EnableOriginalRecipient);
        _softBounce = config.Get(CommonParameters.SoftBounce);
        _filter = DeliveryStatusFilter.Of(config, DeliveryStatusParameters.Pipe, tables, log);
        var limit = config.Find(service + "_time_limit") ?? "";
        _timeLimit = limit.Length == 0 ? config.Get(LocalParameters.CommandTimeLimit)
            : TimeParameter.ParseSeconds(limit, 's') is > 0 and var seconds ? TimeSpan.FromSeconds(seconds)
            : throw new ConfigException($"{service}_time_limit = {limit}: expected a time above 0, such as 1000s");
        _environment = [.. CommandEnvironment.Exported(config), CommandEnvironment.Path];
        _reader = reader;
        _hands = hands.Hands;
        _threads = threads;
        _log = log;
        _time = time;
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var (wrong, who) = _command is null ? (_wrong, default)
            : await _threads.RunAsync(() => (PipeUser.Find(_command, _owner, _postdrop, _hands.CanChange, out var found), found), cancel).ConfigureAwait(false);
        if (wrong is not null)
        {
            // Postfix: pipe(8) ends, and qmgr finds nobody to talk to.
            PipeLog.BadService(_log, _service, wrong);
            return new DeliveryResult(request.RequestId, [], DeliveryStatus.Deferred(3, 0, "unknown mail transport error"), TransportFailed: true);
        }
        var start = DeliveryTimes.Now(_time);
        using var content = new MessageContent(_reader, request.MessageId, request.Layout);
        var (status, damaged) = await DeliverAsync(_command!, who, request, content, cancel).ConfigureAwait(false);
        var times = new DeliveryTimes(start, 0, DeliveryTimes.Now(_time));
        var results = new RecipientResult[request.Recipients.Count];
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = DeliveryLog.Write(_log, request, request.Recipients[i], status, times, _service, softBounce: _softBounce, filter: _filter);
        }
        return new DeliveryResult(request.RequestId, results, Damaged: damaged);
    }

    private static DeliveryStatus ConfigurationError => DeliveryStatus.Deferred(3, 5, "mail system configuration error");

    /// <summary>One run of the command for all recipients of the request.</summary>
    private async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverAsync(
        PipeCommand command, UserIdentity who, DeliveryRequest request, MessageContent content, CancellationToken cancel)
    {
        if (request.Recipients.Count > 1 && (command.Flags & (PipeFlags.DeliveredTo | PipeFlags.OriginalTo)) is not PipeFlags.None and var single)
        {
            PipeLog.SingleRecipient(_log, (single & PipeFlags.DeliveredTo) != 0 ? 'D' : 'O', _service);
            return (ConfigurationError, false);
        }
        if (command.SizeLimit > 0 && request.Envelope.ContentSize > command.SizeLimit)
        {
            return (DeliveryStatus.Bounced(2, 3, "message too large"), false);
        }
        if (new PipeArguments(command, _delimiters, request).Expand(out var arguments) is { } unknown)
        {
            PipeLog.UnknownMacro(_log, _masterCf, _service, unknown);
            return (ConfigurationError, false);
        }
        var recipient = request.Recipients[0].Recipient;
        // Postfix: h and u fold what is on the command line, not the headers.
        var deliveredTo = recipient.Address;
        if (command.Has(PipeFlags.DeliveredTo))
        {
            var (loops, end) = await _threads.RunAsync(() => (DeliveredTo.Find(content, out var read), read), cancel).ConfigureAwait(false);
            if (end is not (ContentRead.Data or ContentRead.End))
            {
                return (MailboxResult.NotReadable(end == ContentRead.Damaged ? CopyEnd.Damaged : CopyEnd.Unreadable).Failure!, end == ContentRead.Damaged);
            }
            if (loops.Contains(deliveredTo))
            {
                return (DeliveryStatus.Bounced(4, 6, $"mail forwarding loop for {deliveredTo}"), false);
            }
        }
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            return (DeliveryStatus.Sent($"delivers to command: {arguments![0]}"), false);
        }
        var job = new CommandJob
        {
            Command = "",
            Arguments = arguments!,
            Shell = [],
            Environment = _environment,
            // Behind another root the queue's directory is not.
            Directory = command.Directory.Length > 0 ? command.Directory : command.Root.Length > 0 ? "/" : _queueDirectory,
            NeedsDirectory = command.Directory.Length > 0,
            TimeLimit = _timeLimit,
            Head = PipeContent.Head(
                command, request.Envelope.Sender, !_originalTo ? "" : recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address, deliveredTo,
                _time.GetLocalNow()),
        };
        var result = await _hands.RunAsync(who, job, new PipeContent(content, command), cancel).ConfigureAwait(false);
        if (result.Kind == CommandEndKind.NotStarted)
        {
            PipeLog.NotStarted(_log, command, who, result);
        }
        else if (result.Kind == CommandEndKind.TimedOut)
        {
            PipeLog.TimedOut(_log);
        }
        else if (CommandStatus.Ignored(result) is { } code)
        {
            _log.Warning($"bounce_append: ignoring dsn code \"{code}\"");
        }
        var output = result.Output.Trim();
        var sent = $"delivered via {_service} service{(output.Length > 0 ? $" ({output})" : "")}";
        return (
            CommandStatus.Failure(arguments![0], result) ?? DeliveryStatus.Sent(
                sent.Length > DeliveryStatus.ReasonLimit ? sent[..DeliveryStatus.ReasonLimit] : sent, command.Has(PipeFlags.Final) ? DsnAction.Delivered : DsnAction.Relayed),
            result.Kind == CommandEndKind.NoContent && (ContentRead)result.Number == ContentRead.Damaged);
    }
}
