using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>postkick(1): wakes a service. Known are pickup (look into maildrop) and qmgr (try the queue now).</summary>
public static class Postkick
{
    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="access">The way to the queue; null is the running system alone.</param>
    /// <param name="uid">Who asks; null is the process's user.</param>
    /// <returns>The exit status: 0 or 1.</returns>
    public static int Run(CommandContext context, QueueAccess? access = null, uint? uid = null)
    {
        const string Usage = "usage: postkick [-c config_dir] [-v] class service request";
        var options = new GetOpt(context.Arguments, "c:v");
        string? directory = null;
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal(Usage);
            }
        }
        if (options.Operands is not [var class_, var service, var request])
        {
            return context.Fatal(Usage);
        }
        if (CommandConfig.Load(context, directory, out var error) is not { } config)
        {
            return context.Fatal(error);
        }
        if ((class_, service) is not (("public", "pickup") or ("public", "qmgr")))
        {
            return context.Fatal($"unknown service: {class_} {service}; expected public pickup or public qmgr");
        }
        // Postfix: the directory of the services' sockets is closed to all but root and mail_owner.
        var directories = config.Get(CommonParameters.QueueDirectory);
        var isClosed = (uid ?? Libc.getuid()) is not 0 and var user && !Postsuper.Owns($"{directories}/{class_}", user) && !Postsuper.Owns(directories, user);
        (var queue, error) = isClosed ? (null, Errno.Text(Libc.EACCES)) : (access ?? QueueAccess.RunningSystem).Connect(config);
        if (queue is null)
        {
            context.Warn($"unable to look up {class_}/{service}: {error}");
            context.Warn($"Cannot contact class {class_} service {service} - perhaps the mail system is down");
            return 1;
        }
        using (queue)
        {
            try
            {
                // Postfix: qmgr's requests are D (scan deferred), A (disregard what is known as dead), I (scan incoming), W (wakeup).
                if (service == "qmgr" && request.AsSpan().ContainsAny('D', 'A', 'F'))
                {
                    queue.FlushAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
                }
                else
                {
                    queue.KickAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
                }
                return 0;
            }
            catch (ControlException e)
            {
                context.Warn($"Cannot contact class {class_} service {service} - {e.Message}");
                return 1;
            }
        }
    }
}
