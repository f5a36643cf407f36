namespace Facteur.Commands;

/// <summary>mailq(1), which is sendmail -bp: the queue's listing.</summary>
public static class Mailq
{
    private const int Unavailable = 69;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="access">The way to the queue; null is the running system alone.</param>
    /// <returns>The exit status: 0 or 69.</returns>
    public static int Run(CommandContext context, QueueAccess? access = null)
    {
        // -A and -v are sendmail's and change nothing in a listing.
        var options = new GetOpt(context.Arguments, "A:C:v");
        string? directory = null;
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'C':
                    directory = options.Argument;
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal("usage: mailq [-C config_dir] [-v]", 64);
            }
        }
        if (options.Operands.Count > 0)
        {
            return context.Fatal("display queue mode requires no recipient", 75);
        }
        if (CommandConfig.Load(context, directory, out var error) is not { } config)
        {
            return context.Fatal(error, Unavailable);
        }
        var postqueue = context with { Name = "postqueue" };
        try
        {
            return Postqueue.List(postqueue, config, access ?? QueueAccess.RunningSystem, json: false);
        }
        catch (Contracts.ControlException e)
        {
            return postqueue.Fatal(
                e.Failure == Contracts.ControlFailure.NotPermitted ? $"User {Environment.UserName}({Unix.Libc.getuid()}) is not allowed to view the mail queue"
                : $"Queue report unavailable - mail system is down ({e.Message})", Unavailable);
        }
    }
}
