using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Spool.Maildrop;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// postdrop(1): writes the records on standard input as a maildrop file, for those who may write maildrop or run it set-gid. Nothing its caller gives it is
/// trusted, and every failure leaves nothing that pickup would take.
/// </summary>
public static class Postdrop
{
    private const int TemporaryFailure = 75;
    private const int NotPermitted = 77;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Its surroundings.</param>
    /// <returns>The exit status.</returns>
    public static int Run(CommandContext context)
    {
        const string usage = "usage: postdrop [-c config_dir] [-r] [-v]";
        var options = new GetOpt(context.Arguments, "c:rv");
        string? directory = null;
        var report = false;
        while (options.Next())
        {
            if (options.Option == '?')
            {
                context.Error.WriteLine($"{context.Name}: {options.Error}");
                return context.Fatal(usage, TemporaryFailure);
            }
            directory = options.Option == 'c' ? options.Argument : directory;
            report |= options.Option == 'r';
        }
        if (options.Operands.Count > 0)
        {
            return context.Fatal(usage, TemporaryFailure);
        }
        if (CommandConfig.Load(context, directory, out var error, warn: false) is not { } config)
        {
            return context.Fatal(error, TemporaryFailure);
        }
        var uid = Libc.getuid();
        if (new Submitters(ListSyntax.Split(config.Get(SendmailParameters.AuthorizedSubmitUsers))).Allows(uid, out var name, out var allowed) is { } wrong)
        {
            return context.Fatal(wrong, TemporaryFailure);
        }
        return allowed ? Drop(context, config, uid, report) : context.Fatal($"User {name}({uid}) is not allowed to submit mail", NotPermitted);
    }

    private static int Drop(CommandContext context, IConfig config, uint uid, bool report)
    {
        var queue = config.Get(CommonParameters.QueueDirectory);
        var errno = new MaildropDirectory(queue).Create(context.Time, out var file);
        if (file is null)
        {
            return context.Fatal($"uid={uid}: create file in {queue}/maildrop: {Errno.Text(errno)}", TemporaryFailure);
        }
        using (file)
        using (new EndSignals(file))
        {
            if (report)
            {
                // Postfix's postdrop says these to Postfix's sendmail: names and values that end in NUL, and a NUL behind the last.
                context.Output.Write($"protocol\0postdrop_protocol\0queue_id\0{file.Name}\0\0");
                context.Output.Flush();
            }
            using var senders = LoginSenders.Of(config, context.Time);
            if (Copy(context.Input, file, config, context.Time, senders is null ? null : sender => senders.Refuses(uid, sender)) is { } wrong)
            {
                return context.Fatal($"uid={uid}: {wrong}", TemporaryFailure);
            }
            errno = file.Commit();
            if (errno != 0)
            {
                return context.Fatal($"uid={uid}: write file in {queue}/maildrop: {Errno.Text(errno)}", TemporaryFailure);
            }
        }
        Submission.WakePickup(queue);
        if (report)
        {
            context.Output.Write("status\00\0reason\0\0\0");
        }
        return 0;
    }

    /// <returns>What is wrong, or null when all of the message is there.</returns>
    private static string? Copy(Stream input, MaildropFile file, IConfig config, TimeProvider time, Func<string, string?>? checkSender)
    {
        var intake = new MaildropIntake(file, null, config.Get(CommonParameters.MessageSizeLimit), time) { CheckSender = checkSender };
        var buffer = new byte[64 * 1024];
        while (!intake.Ended)
        {
            var count = input.Read(buffer);
            if (count == 0)
            {
                return "unexpected EOF in data";
            }
            if (intake.Take(buffer.AsSpan(0, count)) is { } wrong)
            {
                return wrong;
            }
        }
        return null;
    }
}
