using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>postsuper(1): deletes, holds, releases, requeues and expires messages. What it reports is durable.</summary>
public static class Postsuper
{
    private const string Usage =
        "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] "
        + "[-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]";

    private const int LineLimit = 1024;
    private const string MaildropName = "maildrop";

    // In the order in which Postfix carries out and reports: option, operations, and the log's words for one message and for the sum.
    private static readonly (char Option, SuperOperation Operation, string One, string Sum)[] Steps =
    [
        ('r', SuperOperation.Requeue, "requeued", "Requeued"),
        ('d', SuperOperation.Delete, "removed", "Deleted"),
        ('e', SuperOperation.Expire, "expired", "Force-expired"),
        ('f', SuperOperation.Expire, "expired", "Force-expired"),
        ('h', SuperOperation.Hold, "placed on hold", "Placed on hold"),
        ('H', SuperOperation.Release, "released from hold", "Released from hold"),
        ('f', SuperOperation.Release, "released from hold", "Released from hold"),
    ];

    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="access">The way to the queue; null is the running system alone.</param>
    /// <param name="openLog">Opens the mail log as "$syslog_name/postsuper"; null writes to standard error alone.</param>
    /// <param name="uid">The caller's user id; null asks the system.</param>
    /// <returns>The exit status: 0 or 1.</returns>
    public static int Run(CommandContext context, QueueAccess? access = null, Func<IConfig, ServiceLog>? openLog = null, uint? uid = null)
    {
        var orders = new List<(char Option, string Id)>();
        string? directory = null;
        var purge = false;
        var options = new GetOpt(context.Arguments, "c:d:e:f:h:H:pr:sSv");
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c' when !options.Argument.StartsWith('/'):
                    return context.Fatal("-c requires absolute pathname");
                case 'c':
                    directory = options.Argument;
                    break;
                case 'p':
                    purge = true;
                    break;
                // The journal checks and repairs itself when it is opened: -s and -S have nothing left to do.
                case 's' or 'S' or 'v':
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal(Usage);
                default:
                    orders.Add((options.Option, options.Argument));
                    break;
            }
        }
        if (CommandConfig.Load(context, directory, out var error) is not { } config)
        {
            return context.Fatal(error);
        }
        // Refused here for ordinary users of a system-wide instance; the queue itself decides by the caller's credentials.
        if ((uid ?? Libc.getuid()) != 0 && !Owns(config.Get(CommonParameters.QueueDirectory), uid ?? Libc.getuid()))
        {
            return context.Fatal("use of this command is reserved for the superuser");
        }
        if (options.Operands.FirstOrDefault(name => !QueueName.All.Contains(name)) is { } unknown)
        {
            openLog?.Invoke(config).Fatal($"invalid directory name: {unknown}");
            return context.Fatal($"invalid directory name: {unknown}");
        }
        var maildrop = new MaildropDirectory(config.Get(CommonParameters.QueueDirectory));
        if (purge)
        {
            // postsuper(1): before other operations.
            maildrop.RemoveTemporaries(context.Time);
        }
        if (orders.Count == 0)
        {
            return 0;
        }
        using var queue = (access ?? QueueAccess.RunningSystem).Get(config, out error);
        if (queue is null)
        {
            return context.Fatal($"cannot reach the queue - the mail system is down and its spool can't be opened: {error}");
        }
        var run = new Orders(context, queue, maildrop, options.Operands, openLog?.Invoke(config));
        try
        {
            run.Carry(orders);
            return 0;
        }
        catch (ControlException e)
        {
            return run.Fatal(e.Failure == ControlFailure.NotPermitted ? "use of this command is reserved for the superuser" : e.Message);
        }
    }

    /// <summary>Whether a file or directory is there and belongs to a user.</summary>
    internal static unsafe bool Owns(string path, uint uid)
    {
        Stat stat;
        return Libc.stat(path, &stat) == 0 && stat.Uid == uid;
    }

    /// <summary>The orders of one run, with their sums.</summary>
    private sealed class Orders(CommandContext context, IQueueOperator queue, MaildropDirectory maildrop, IReadOnlyList<string> queues, ServiceLog? log)
    {
        private List<string>? _input;

        public void Carry(List<(char Option, string Id)> orders)
        {
            var sums = new List<(string Sum, int Count)>();
            foreach (var (option, operation, one, sum) in Steps)
            {
                var ids = orders.Where(o => o.Option == option).Select(o => o.Id).ToList();
                if (ids.Count == 0)
                {
                    continue;
                }
                var count = ids.Contains("ALL") ? All(operation) : ids.SelectMany(id => id == "-" ? Input() : [id]).Count(id => One(operation, id, one));
                if (sums.FindIndex(s => s.Sum == sum) is >= 0 and var same)
                {
                    sums[same] = (sum, sums[same].Count + count);
                }
                else
                {
                    sums.Add((sum, count));
                }
            }
            foreach (var (sum, count) in sums)
            {
                Say($"{sum}: {count} message{(count == 1 ? "" : "s")}");
            }
        }

        public int Fatal(string text)
        {
            log?.Fatal(text);
            return context.Fatal(text);
        }

        private int All(SuperOperation operation) =>
            queues.Count == 0 ? queue.SuperAllAsync(operation, null, CancellationToken.None).AsTask().GetAwaiter().GetResult()
            : queues.Sum(name => name == MaildropName ? AllOfMaildrop(operation) : queue.SuperAllAsync(operation, name, CancellationToken.None).AsTask().GetAwaiter().GetResult());

        // What pickup has not taken yet is files, which can only be deleted.
        private int AllOfMaildrop(SuperOperation operation) =>
            operation == SuperOperation.Delete ? maildrop.List(int.MaxValue).Count(file => MaildropDirectory.Remove(file) == 0) : 0;

        private bool OneOfMaildrop(SuperOperation operation, string name) =>
            operation == SuperOperation.Delete && (queues.Count == 0 || queues.Contains(MaildropName))
            && maildrop.Find(name) is { } file && MaildropDirectory.Remove(file) == 0;

        private bool OneOfQueue(SuperOperation operation, ulong id) =>
            id != 0 && (queues.Count == 0 || IsInQueues(id)) && queue.SuperAsync(operation, id, CancellationToken.None).AsTask().GetAwaiter().GetResult();

        private bool One(SuperOperation operation, string text, string one)
        {
            if (!QueueName.TryId(text, out var id))
            {
                context.Warn($"invalid mail queue id: {text}");
                log?.Warning($"invalid mail queue id: {text}");
                return false;
            }
            if (!OneOfQueue(operation, id) && !OneOfMaildrop(operation, text))
            {
                return false;
            }
            Say($"{text}: {one}");
            return true;
        }

        private bool IsInQueues(ulong id) =>
            queue.FindAsync(id, CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } message && queues.Contains(message.QueueName);

        // Standard input is read once; a later "-" gets the same ids, so that "-d - -r -" means what it says.
        private List<string> Input()
        {
            if (_input is null)
            {
                _input = [];
                using var reader = new StreamReader(context.Input, System.Text.Encoding.Latin1);
                while (reader.ReadLine() is { } line)
                {
                    var id = line.Trim();
                    _input.Add(id.Length > LineLimit ? id[..LineLimit] : id);
                }
            }
            return _input;
        }

        private void Say(string text)
        {
            context.Error.WriteLine($"{context.Name}: {text}");
            log?.Info(text);
        }
    }
}
