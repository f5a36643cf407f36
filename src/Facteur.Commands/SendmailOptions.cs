using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Commands;

/// <summary>What sendmail(1) is asked to do.</summary>
internal enum SendmailMode : byte
{
    /// <summary>-bm: take a message from standard input.</summary>
    Enqueue,

    /// <summary>-bp: list the queue.</summary>
    List,

    /// <summary>-bi, -I: rebuild the alias tables.</summary>
    Newaliases,

    /// <summary>-bd, -bl: start the mail system.</summary>
    Daemon,

    /// <summary>-bs: an SMTP session on standard input and output.</summary>
    Smtp,

    /// <summary>-q: try all deferred mail now.</summary>
    Flush,

    /// <summary>-qI: try one message now.</summary>
    FlushMessage,

    /// <summary>-qR: try all mail for a site now.</summary>
    FlushSite,

    /// <summary>-bh, -bH, or -q with an interval and no message: nothing to do.</summary>
    Nothing,
}

/// <summary>sendmail(1)'s command line.</summary>
internal sealed class SendmailOptions
{
    private const string Letters = "A:B:C:F:GIL:N:O:R:UV:X:ab:cd:e:f:h:imno:p:q::r:tvx";
    private bool _interval;

    /// <summary>What to do.</summary>
    public SendmailMode Mode { get; private set; }

    /// <summary>-C, or null.</summary>
    public string? ConfigDirectory { get; private set; }

    /// <summary>-F, or null.</summary>
    public string? FullName { get; private set; }

    /// <summary>-f or -r, or null.</summary>
    public string? Sender { get; private set; }

    /// <summary>-i: a line with only a dot does not end the message.</summary>
    public bool IgnoreDots { get; private set; }

    /// <summary>-t: recipients from the headers too.</summary>
    public bool FromHeaders { get; private set; }

    /// <summary>-bv and -v.</summary>
    public MessageFlags Flags { get; private set; }

    /// <summary>-N.</summary>
    public DsnNotify Notify { get; private set; }

    /// <summary>-R.</summary>
    public DsnReturn Return { get; private set; }

    /// <summary>-V, or "".</summary>
    public string EnvelopeId { get; private set; } = "";

    /// <summary>-B.</summary>
    public BodyType Body { get; private set; }

    /// <summary>The queue id of -qI or the site of -qR.</summary>
    public string FlushArgument { get; private set; } = "";

    /// <summary>-oA: the alias database to rebuild instead of alias_database, or null.</summary>
    public string? AliasDatabase { get; private set; }

    /// <summary>What follows the options.</summary>
    public IReadOnlyList<string> Operands { get; private set; } = [];

    /// <summary>Why the command line can't be used, or null.</summary>
    public string? Error { get; private set; }

    /// <summary>What getopt(3) says of an unknown option, or null.</summary>
    public string? OptionError { get; private set; }

    /// <summary>Reads the command line.</summary>
    public static SendmailOptions Parse(CommandContext context)
    {
        var options = new SendmailOptions
        {
            Mode = Path.GetFileName(context.Name) switch { "mailq" => SendmailMode.List, "newaliases" => SendmailMode.Newaliases, _ => SendmailMode.Enqueue },
        };
        var reader = new GetOpt(context.Arguments, Letters);
        while (reader.Next() && options.Error is null)
        {
            if (reader.Option == '?')
            {
                options.OptionError = reader.Error;
                options.Error = "usage: sendmail [options]";
                return options;
            }
            options.Error = options.Take(reader.Option, reader.Argument);
        }
        options.Operands = reader.Operands;
        if (options._interval && options is { Mode: SendmailMode.Enqueue, FromHeaders: false, Operands.Count: 0 })
        {
            options.Mode = SendmailMode.Nothing;
        }
        return options;
    }

    /// <returns>What is wrong, or null.</returns>
    private string? Take(char option, string argument)
    {
        switch (option)
        {
            case 'b':
                return TakeMode(argument);
            case 'B':
                Body = argument.ToUpperInvariant() switch { "8BITMIME" => BodyType.EightBitMime, "7BIT" => BodyType.SevenBit, _ => BodyType.None };
                return Body == BodyType.None ? $"unknown -B option value: {argument}: expected 7BIT or 8BITMIME" : null;
            case 'C':
                ConfigDirectory = File.Exists(argument) ? Path.GetDirectoryName(Path.GetFullPath(argument)) : argument;
                return null;
            case 'F':
                FullName = argument;
                return null;
            case 'f' or 'r':
                Sender = argument;
                return null;
            case 'I':
                Mode = SendmailMode.Newaliases;
                return null;
            case 'i':
                IgnoreDots = true;
                return null;
            case 't':
                FromHeaders = true;
                return null;
            case 'v':
                Flags |= MessageFlags.ReportDeliveries;
                return null;
            case 'N':
                return TakeNotify(argument);
            case 'R':
                Return = argument.ToUpperInvariant() switch { "FULL" => DsnReturn.Full, "HDRS" => DsnReturn.Headers, _ => DsnReturn.None };
                return Return == DsnReturn.None ? $"invalid -R option value: {argument}: expected full or hdrs" : null;
            case 'V':
                EnvelopeId = argument;
                return argument.Length is 0 or > 100 || argument.Any(c => c is < ' ' or > '~') ? "invalid -V option value: expected up to 100 printable characters" : null;
            case 'O':
                return TakeLongOption(argument);
            case 'o' when argument.StartsWith('A'):
                AliasDatabase = argument[1..];
                return AliasDatabase.Length == 0 ? "-oA requires pathname" : null;
            case 'o':
                IgnoreDots |= argument == "i";
                return null;
            case 'q':
                return TakeFlush(argument);
            case 'X' when argument.StartsWith('V'):
                return "-XV (VERP) is not available in this release";
            default:
                // sendmail(1): accepted for the sake of old programs: -Am -Ac -c -d -e -G -h -L -m -n -p -U -x -X.
                return null;
        }
    }

    private string? TakeMode(string argument)
    {
        switch (argument)
        {
            case "m":
                Mode = SendmailMode.Enqueue;
                return null;
            case "p":
                Mode = SendmailMode.List;
                return null;
            case "i":
                Mode = SendmailMode.Newaliases;
                return null;
            case "d" or "l":
                Mode = SendmailMode.Daemon;
                return null;
            case "s":
                Mode = SendmailMode.Smtp;
                return null;
            case "h" or "H":
                Mode = SendmailMode.Nothing;
                return null;
            case "v":
                Mode = SendmailMode.Enqueue;
                Flags |= MessageFlags.VerifyOnly;
                return null;
            default:
                return $"unsupported: -b{argument}";
        }
    }

    private string? TakeNotify(string argument)
    {
        foreach (var word in argument.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            Notify |= word.ToLowerInvariant() switch
            {
                "never" => DsnNotify.Never,
                "success" => DsnNotify.Success,
                "failure" => DsnNotify.Failure,
                "delay" => DsnNotify.Delay,
                _ => DsnNotify.None,
            };
            if (word.ToLowerInvariant() is not ("never" or "success" or "failure" or "delay"))
            {
                return $"bad -N option value -- {argument}: expected never, or success, failure and delay";
            }
        }
        // RFC 3461 4.1: NEVER stands alone.
        return Notify == DsnNotify.None || (Notify.HasFlag(DsnNotify.Never) && Notify != DsnNotify.Never)
            ? $"bad -N option value -- {argument}: expected never, or success, failure and delay" : null;
    }

    private string? TakeLongOption(string argument)
    {
        var name = argument.Split('=')[0];
        if (name.Equals("smtputf8", StringComparison.OrdinalIgnoreCase))
        {
            Flags |= MessageFlags.SmtpUtf8;
            return null;
        }
        if (name.Equals("requiretls", StringComparison.OrdinalIgnoreCase))
        {
            return "-O requiretls is not available in this release";
        }
        return null;
    }

    private string? TakeFlush(string argument)
    {
        switch (argument)
        {
            // Postfix: -q does nothing beside -bd.
            case "":
                Mode = Mode == SendmailMode.Daemon ? Mode : SendmailMode.Flush;
                return null;
            case ['I' or 'R', ..]:
                (Mode, FlushArgument) = (argument[0] == 'I' ? SendmailMode.FlushMessage : SendmailMode.FlushSite, argument[1..]);
                return FlushArgument.Length == 0 ? $"specify one -q{argument} value" : null;
            // sendmail(1): the interval is ignored, it is queue_run_delay. A message beside it is sent: Postfix drops it.
            case [>= '0' and <= '9', ..]:
                _interval = true;
                return null;
            default:
                return $"-q{argument} is not implemented";
        }
    }
}
