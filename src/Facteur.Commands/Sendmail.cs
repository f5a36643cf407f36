using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// sendmail(1): puts a message of a local user into maildrop, or runs another command that its options stand for. All errors are temporary
/// (exit status 75), so that programs keep the message, as with Postfix.
/// </summary>
public static class Sendmail
{
    private const int TemporaryFailure = 75;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Its surroundings.</param>
    /// <param name="runOther">Runs another command, named in the context it gets: postqueue, newaliases, postfix.</param>
    /// <param name="serveSmtp">-bs: serves SMTP on the context's streams; the mail goes to the given cleanup.</param>
    /// <returns>The exit status.</returns>
    public static int Run(CommandContext context, Func<CommandContext, int> runOther, Func<CommandContext, IConfig, ICleanup, int> serveSmtp)
    {
        context = context with { Name = "sendmail", Arguments = Renamed(context) };
        var options = SendmailOptions.Parse(context);
        if (options.OptionError is { } optionError)
        {
            // Postfix looks at the options twice and says so twice.
            context.Error.WriteLine($"sendmail: {optionError}");
            context.Error.WriteLine($"sendmail: {optionError}");
        }
        options.Warnings.ForEach(context.Warn);
        if (options.Error is { } error)
        {
            return context.Fatal(error, TemporaryFailure);
        }
        var directory = ConfigLoader.FindDirectory(options.ConfigDirectory, context.Environment);
        int Other(string name, params string[] arguments) => runOther(context with { Name = name, Arguments = ["-c", directory, .. arguments] });
        switch (options.Mode)
        {
            case SendmailMode.List:
                return Other("postqueue", "-p");
            case SendmailMode.Flush:
                return Other("postqueue", "-f");
            case SendmailMode.FlushMessage:
                return Other("postqueue", "-i", options.FlushArgument);
            case SendmailMode.FlushSite:
                return Other("postqueue", "-s", options.FlushArgument);
            case SendmailMode.Newaliases:
                return options.AliasDatabase is { } database ? Other("newaliases", $"-oA{database}") : Other("newaliases");
            case SendmailMode.Daemon:
                return Other("postfix", "start");
            case SendmailMode.Nothing:
                return 0;
            case SendmailMode.Smtp:
                return Submit(context, directory, smtp => serveSmtp(context, smtp, new MaildropCleanup(smtp, context)));
            default:
                return Submit(context, directory, config => Enqueue(context, options, config));
        }
    }

    /// <summary>Called as mailq or newaliases, the option comes first that these names stand for.</summary>
    private static IReadOnlyList<string> Renamed(CommandContext context) => Path.GetFileName(context.Name) switch
    {
        "mailq" => ["-bp", .. context.Arguments],
        "newaliases" => ["-bi", .. context.Arguments],
        _ => context.Arguments,
    };

    /// <summary>Takes mail by main.cf; what is wrong with that is said.</summary>
    private static int Submit(CommandContext context, string directory, Func<IConfig, int> take)
    {
        try
        {
            var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = "sendmail", WithMaster = false });
            return load.Errors.Count > 0 ? context.Fatal(WithoutPlace(load.Errors[0]), TemporaryFailure) : MaySubmit(context, load.Config) ? take(load.Config) : TemporaryFailure;
        }
        catch (ConfigException e)
        {
            return context.Fatal(WithoutPlace(e.Message), TemporaryFailure);
        }
    }

    /// <summary>authorized_submit_users, looked at before anything is read. Whose tables this user may not read, is postdrop's or the mail system's to ask.</summary>
    private static bool MaySubmit(CommandContext context, IConfig config)
    {
        var uid = Libc.getuid();
        if (new Submitters(ListSyntax.Split(config.Get(SendmailParameters.AuthorizedSubmitUsers))).Allows(uid, out var name, out var allowed) is not null || allowed)
        {
            return true;
        }
        context.Fatal($"User {name}({uid}) is not allowed to submit mail");
        return false;
    }

    private static int Enqueue(CommandContext context, SendmailOptions options, IConfig config)
    {
        var uid = Libc.getuid();
        UserAccount.Find(uid, out var account);
        var login = account?.Name ?? "unknown";
        var recipients = new SendmailHeaders(int.MaxValue);
        // Postfix: an operand without an address is whoever mail for nobody goes to.
        var operands = options.Operands.SelectMany(operand => recipients.Addresses(operand).DefaultIfEmpty("")).ToList();
        var verify = (options.Flags & MessageFlags.VerifyOnly) != 0;
        var senders = options.Sender is null ? [login] : options.Sender is "" or "<>" ? [""] : recipients.Addresses(options.Sender).ToList();
        if (senders.Count > 1)
        {
            context.Warn($"-f option specified malformed sender: {options.Sender}");
        }
        // Postfix: where there is no address (a comment, blanks), that is the null sender.
        var sender = senders.Count > 0 ? senders[0] : "";
        if (operands.Count == 0 && (!options.FromHeaders || verify))
        {
            return context.Fatal($"{sender}({uid}): Recipient addresses must be specified on the command line or via the -t option", TemporaryFailure);
        }
        var verp = options.Verp is "" ? config.Get(CleanupParameters.DefaultVerpDelimiters) : options.Verp ?? "";
        if (verp.Length > 0 && !Verp.IsValid(verp, config.Get(CleanupParameters.VerpDelimiterFilter)))
        {
            return context.Fatal($"-V requires two characters from {config.Get(CleanupParameters.VerpDelimiterFilter)}", TemporaryFailure);
        }
        if (verp.Length > 0 && sender.Length == 0)
        {
            return context.Fatal($"{sender}({uid}): -V option requires non-null sender address", TemporaryFailure);
        }
        var fullName = options.FullName ?? context.Environment.GetValueOrDefault("NAME") ?? account?.FullName ?? "";
        using var submission = Submission.Open(config, context.Time);
        var message = new SendmailMessage(submission, options, MaildropWriter.LineLimit(config), config.Get(SendmailParameters.FixLineEndings));
        message.Envelope(sender, OneLine(fullName), verp, operands);
        var headers = options.FromHeaders && !verify ? new SendmailHeaders((int)Math.Min(config.Get(CommonParameters.HeaderSizeLimit), int.MaxValue)) : null;
        if (verify)
        {
            message.Probe(sender, operands);
        }
        else
        {
            message.Content(context.Input, headers);
            headers?.End();
        }
        if (headers is { TooLong: true } && submission.Error is null)
        {
            // Postfix: better no mail than one without some of its recipients.
            return context.Fatal($"{sender}({uid}): unable to extract recipients: message header length exceeds safety limit", TemporaryFailure);
        }
        if (operands.Count == 0 && headers is { Recipients.Count: 0 } && submission.Error is null)
        {
            return context.Fatal($"{sender}({uid}): No recipient addresses found in message header", TemporaryFailure);
        }
        message.End(headers?.Recipients ?? []);
        if (submission.Commit() is { } failure)
        {
            return context.Fatal($"{sender}({uid}): {failure}", TemporaryFailure);
        }
        if ((options.Flags & (MessageFlags.VerifyOnly | MessageFlags.ReportDeliveries)) != 0)
        {
            context.Output.WriteLine($"Mail Delivery Status Report will be mailed to <{sender}>.");
        }
        return 0;
    }

    private static string OneLine(string text) => text.AsSpan().ContainsAny('\r', '\n', '\0') ? text.Replace('\r', ' ').Replace('\n', ' ').Replace('\0', ' ') : text;

    /// <summary>Users of sendmail can't mend main.cf: they get Postfix's text, without file and line.</summary>
    private static string WithoutPlace(string error)
    {
        var place = error.LastIndexOf(" (", StringComparison.Ordinal);
        return place > 0 && error.EndsWith(')') ? error[..place] : error;
    }
}
