using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;

namespace Facteur.Commands;

/// <summary>postlog(1): writes a line to the mail log, and to standard error.</summary>
public static class Postlog
{
    private const int LineLimit = 64 * 1024;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Its surroundings.</param>
    /// <param name="openLog">Opens the mail log of a configuration; disposed of at the end when it is disposable.</param>
    /// <returns>The exit status.</returns>
    public static int Run(CommandContext context, Func<IConfig, IMailLog> openLog)
    {
        var options = new GetOpt(context.Arguments, "c:ip:t:v");
        string? directory = null, tag = null;
        var level = LogLevel.Info;
        // Postfix: also what it says of itself has its tag.
        var self = context with { Name = $"postfix/{context.Name}" };
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 't':
                    tag = options.Argument;
                    break;
                case 'p':
                    if (Level(options.Argument) is not { } named)
                    {
                        return self.Fatal($"bad severity: \"{options.Argument}\"");
                    }
                    level = named;
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return self.Fatal("usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]");
            }
        }
        if (CommandConfig.Load(context, directory, out var error, warn: false) is not { } config)
        {
            return self.Fatal(error);
        }
        tag ??= $"{config.Get(CommonParameters.SyslogName)}/postlog";
        var log = Open(config, openLog, out error);
        using (log as IDisposable)
        {
            foreach (var line in Lines(context, options.Operands))
            {
                log?.Write(tag, level, line);
                context.Error.WriteLine($"{tag}: {(level == LogLevel.Info ? "" : level.ToString().ToLowerInvariant() + ": ")}{line}");
            }
        }
        return log is null ? self.Fatal(error) : 0;
    }

    // Who may not write the log still reads the text on standard error.
    private static IMailLog? Open(IConfig config, Func<IConfig, IMailLog> openLog, out string error)
    {
        error = "";
        try
        {
            return openLog(config);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Postfix: nothing else takes the line then, neither syslog nor another file.
            var file = config.Get(LogParameters.MaillogFile);
            error = e.Message.StartsWith($"open {file}: ", StringComparison.Ordinal) ? $"open logfile '{file}': cannot open file: {e.Message[(file.Length + 7)..]}" : e.Message;
            return null;
        }
    }

    private static LogLevel? Level(string name) => name.ToLowerInvariant() switch
    {
        "info" => LogLevel.Info,
        "warn" or "warning" => LogLevel.Warning,
        "error" or "err" => LogLevel.Error,
        "fatal" or "crit" => LogLevel.Fatal,
        "panic" => LogLevel.Panic,
        _ => null,
    };

    private static IEnumerable<string> Lines(CommandContext context, IReadOnlyList<string> operands)
    {
        if (operands.Count > 0)
        {
            yield return string.Join(' ', operands);
            yield break;
        }
        using var reader = new StreamReader(context.Input, leaveOpen: true);
        while (reader.ReadLine() is { } line)
        {
            yield return line.Length > LineLimit ? line[..LineLimit] : line;
        }
    }
}
