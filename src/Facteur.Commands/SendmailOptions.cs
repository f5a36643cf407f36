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
    private const string Letters = "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:tvx";
    private int _verbose;
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

    /// <summary>-XV: the delimiters of VERP, "" for the default ones; null without.</summary>
    public string? Verp { get; private set; }

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

    /// <summary>-G: a gateway's mail, whose headers are not rewritten as a local user's are.</summary>
    public bool IsGateway { get; private set; }

    /// <summary>What is wrong with options that are ignored for it.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>What getopt(3) says of an unknown option, or null.</summary>
    public string? OptionError { get; private set; }

    /// <summary>Reads the command line.</summary>
    public static SendmailOptions Parse(CommandContext context)
    {
        var options = new SendmailOptions
        {
            Mode = Path.GetFileName(context.Name) switch { "mailq" => SendmailMode.List, "newaliases" => SendmailMode.Newaliases, _ => SendmailMode.Enqueue },
        };
        var reader = new GetOpt(context.Arguments, Letters, OldVerp);

        // Postfix: -V was -XV once, alone before a word of two characters or with two characters of its own.
        string OldVerp(string word, string? next)
        {
            if (!(word == "-V" && next?.Length == 2) && !(word.StartsWith("-V", StringComparison.Ordinal) && word.Length == 4))
            {
                return word;
            }
            options.Warnings.Add($"option {word} is deprecated with Postfix 2.3; specify -X{word[1..]} instead");
            return $"-X{word[1..]}";
        }

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
        options.Error ??= options.Contradiction();
        if (options._interval && options is { Mode: SendmailMode.Enqueue, FromHeaders: false, Operands.Count: 0 })
        {
            options.Mode = SendmailMode.Nothing;
        }
        return options;
    }

    // Postfix: what none of these takes is a mistake of whoever types it.
    private string? Contradiction() => (Mode, Operands.Count > 0) switch
    {
        (SendmailMode.Enqueue, _) when Flags.HasFlag(MessageFlags.VerifyOnly | MessageFlags.ReportDeliveries) => "-v option cannot be used with -bv",
        (SendmailMode.Enqueue, _) when Flags.HasFlag(MessageFlags.VerifyOnly) && Notify != DsnNotify.None => "-N option cannot be used with -bv",
        (SendmailMode.Enqueue, _) when Flags.HasFlag(MessageFlags.VerifyOnly) && Return != DsnReturn.None => "-R option cannot be used with -bv",
        (SendmailMode.Enqueue, _) when Flags.HasFlag(MessageFlags.VerifyOnly) && FromHeaders => "-t option cannot be used with -bv",
        (not SendmailMode.Enqueue, _) when FromHeaders => "-t can be used only in delivery mode",
        (SendmailMode.List, true) => "display queue mode requires no recipient",
        (SendmailMode.Newaliases, true) => "alias initialization mode requires no recipient",
        (SendmailMode.Smtp, true) => "stand-alone mode requires no recipient",
        (SendmailMode.Daemon, true) => "daemon mode requires no recipient",
        (SendmailMode.Flush, true) => "flush queue mode requires no recipient",
        (SendmailMode.FlushMessage, true) => "flush queue_id requires no recipient",
        (SendmailMode.FlushSite, true) => "flush site requires no recipient",
        _ => null,
    };

    /// <returns>What is wrong, or null.</returns>
    private string? Take(char option, string argument)
    {
        switch (option)
        {
            case 'b':
                return TakeMode(argument);
            case 'B':
                Body = argument switch { "8BITMIME" => BodyType.EightBitMime, "7BIT" => BodyType.SevenBit, _ => BodyType.None };
                return Body == BodyType.None ? "-B option needs 8BITMIME or 7BIT" : null;
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
            case 'G':
                IsGateway = true;
                return null;
            case 'i':
                IgnoreDots = true;
                return null;
            case 't':
                FromHeaders = true;
                return null;
            case 'v':
                // Postfix: the first asks for a report, from the second on they ask for words about the command's own work.
                Flags = _verbose++ == 0 ? Flags | MessageFlags.ReportDeliveries : Flags & ~MessageFlags.ReportDeliveries;
                return null;
            case 'n':
                return "-n option not supported";
            case 'N':
                Notify = NotifyOf(argument, Warnings);
                return Ignored(Notify == DsnNotify.None, "-N");
            case 'R':
                Return = argument.ToUpperInvariant() switch { "FULL" => DsnReturn.Full, "HDRS" => DsnReturn.Headers, _ => DsnReturn.None };
                return Ignored(Return == DsnReturn.None, "-R");
            case 'V':
                EnvelopeId = argument.Length is 0 or > 100 || argument.Any(c => c is < ' ' or > '~') ? "" : argument;
                return Ignored(EnvelopeId.Length == 0, "-V", argument.Length > 100 ? "too long" : "bad syntax in");
            case 'O':
                return TakeLongOption(argument);
            case 'o' when argument.StartsWith('A'):
                AliasDatabase = argument[1..];
                return AliasDatabase.Length == 0 ? "-oA requires pathname" : null;
            case 'o':
                IgnoreDots |= argument.StartsWith('i');
                return null;
            case 'q':
                return TakeFlush(argument);
            case 'X':
                Verp = argument.StartsWith('V') ? argument[1..] : Verp;
                return argument.StartsWith('V') ? null : $"unsupported: -X{argument[..Math.Min(argument.Length, 1)]}";
            default:
                // sendmail(1): accepted for the sake of old programs: -Am -Ac -c -e -h -L -m -p -U -x.
                return null;
        }
    }

    private string? TakeMode(string argument)
    {
        // Postfix: the first letter counts.
        argument = argument is [] ? "" : argument[..1];
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

    // Postfix: the message is worth more than its options.
    private string? Ignored(bool bad, string option, string what = "bad")
    {
        if (bad)
        {
            Warnings.Add($"{what} {option} option value -- ignored");
        }
        return null;
    }

    /// <returns>None when a word is unknown, or when NEVER does not stand alone (RFC 3461 4.1).</returns>
    private static DsnNotify NotifyOf(string argument, List<string> warnings)
    {
        var notify = DsnNotify.None;
        foreach (var word in argument.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            var one = word.ToLowerInvariant() switch
            {
                "never" => DsnNotify.Never,
                "success" => DsnNotify.Success,
                "failure" => DsnNotify.Failure,
                "delay" => DsnNotify.Delay,
                _ => DsnNotify.None,
            };
            if (one == DsnNotify.None)
            {
                warnings.Add($"unknown DSN NOTIFY command value \"{word}\" in \"{argument}\"");
                return DsnNotify.None;
            }
            notify |= one;
        }
        return notify.HasFlag(DsnNotify.Never) && notify != DsnNotify.Never ? DsnNotify.None : notify;
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
                return FlushArgument.Length > 0 ? null : argument[0] == 'I' ? "specify: -qIqueueid" : "specify: -qRsitename";
            // sendmail(1): the interval is ignored, it is queue_run_delay. A message beside it is sent: Postfix drops it.
            case [>= '0' and <= '9', ..]:
                _interval = true;
                return null;
            default:
                return $"-q{argument[0]} is not implemented";
        }
    }
}
