using System.Globalization;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>postcat(1): shows messages of the queue (-q), or files in Postfix's queue file format such as those in maildrop.</summary>
public static class Postcat
{
    private const string Usage =
        "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] "
        + "[-o (record offset)] [-q (access queue)] [-r (file order)] [-s offset] [-v] [file(s)...]";

    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="output">Where contents go, byte for byte; null is the context's output as UTF-8.</param>
    /// <param name="access">The way to the queue; null is the running system alone.</param>
    /// <returns>The exit status: 0 or 1.</returns>
    public static int Run(CommandContext context, Stream? output = null, QueueAccess? access = null)
    {
        var options = new GetOpt(context.Arguments, "bc:dehoqrs:v");
        string? directory = null;
        var (body, envelope, header, queued, types, offsets) = (false, false, false, false, false, false);
        long skip = 0;
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'b':
                    body = true;
                    break;
                case 'c':
                    directory = options.Argument;
                    break;
                case 'd':
                    types = true;
                    break;
                case 'e':
                    envelope = true;
                    break;
                case 'h':
                    header = true;
                    break;
                case 'o':
                    offsets = true;
                    break;
                case 'q':
                    queued = true;
                    break;
                // The journal has no pointer records, and of files all records are shown in file order.
                case 'r' or 'v':
                    break;
                case 's' when !long.TryParse(options.Argument, NumberStyles.None, CultureInfo.InvariantCulture, out skip):
                    return context.Fatal($"bad offset: {options.Argument}");
                case 's':
                    break;
                default:
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal(Usage);
            }
        }
        var all = !body && !envelope && !header;
        using var writer = new PostcatWriter(context.Output, output, all || envelope, all || header, all || body, types, offsets, skip);
        return queued ? Queued(context, directory, options.Operands, writer, access ?? QueueAccess.RunningSystem) : Files(context, options.Operands, writer);
    }

    private static int Files(CommandContext context, IReadOnlyList<string> names, PostcatWriter writer, string? title = null)
    {
        foreach (var name in names.Count == 0 ? ["-"] : names)
        {
            try
            {
                using var file = names.Count == 0 ? context.Input : new FileStream(name, FileMode.Open, FileAccess.Read);
                var (wrong, isCut) = writer.Copy(new RecordFile(file), names.Count == 0 ? "stdin" : title ?? name);
                if (wrong is not null)
                {
                    context.Warn($"{(names.Count == 0 ? "stdin" : name)}: {wrong}");
                }
                if (isCut)
                {
                    return context.Fatal("record read error");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                var why = e is FileNotFoundException or DirectoryNotFoundException ? "No such file or directory" : e is UnauthorizedAccessException ? "Permission denied" : e.Message;
                return context.Fatal($"open {name}: {why}");
            }
        }
        return 0;
    }

    private static int Queued(CommandContext context, string? directory, IReadOnlyList<string> names, PostcatWriter writer, QueueAccess access)
    {
        if (names.Count == 0)
        {
            return context.Fatal(Usage);
        }
        if (CommandConfig.Load(context, directory, out var error) is not { } config)
        {
            return context.Fatal(error);
        }
        if (names.FirstOrDefault(name => !QueueName.TryId(name, out _)) is { } bad)
        {
            return context.Fatal($"bad mail queue ID: {bad}");
        }
        using var queue = access.Get(config, out error);
        if (queue is null)
        {
            return context.Fatal($"cannot reach the queue: {error}");
        }
        foreach (var name in names)
        {
            if (!QueueName.TryId(name, out var id))
            {
                return context.Fatal($"bad mail queue ID: {name}");
            }
            try
            {
                var message = id == 0 ? null : queue.FindAsync(id, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                if (message is null && new MaildropDirectory(config.Get(CommonParameters.QueueDirectory)).Find(name) is { } file)
                {
                    if (Files(context, [file.Path], writer, $"maildrop/{name}") is var status and not 0)
                    {
                        return status;
                    }
                    continue;
                }
                if (message is null)
                {
                    return context.Fatal($"open queue file {name}: No such file or directory");
                }
                if (!writer.CopyAsync(queue, message, context.Time.LocalTimeZone).GetAwaiter().GetResult())
                {
                    return context.Fatal("record read error");
                }
            }
            catch (ControlException e)
            {
                return context.Fatal($"open queue file {name}: {(e.Failure == ControlFailure.NotPermitted ? "Permission denied" : e.Message)}");
            }
        }
        return 0;
    }
}
