using System.Net;
using System.Net.Sockets;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;

namespace Facteur.Commands;

/// <summary>postqueue(1): lists the queue, or has its mail tried now. Every failure ends with EX_UNAVAILABLE, as in Postfix.</summary>
public static class Postqueue
{
    private const int Unavailable = 69;
    private const int Page = 200;
    private const string Usage = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site";
    private const string FlushDown = "Cannot flush mail queue - mail system is down";

    /// <summary>Runs the command.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="access">The way to the queue; null is the running system alone.</param>
    /// <returns>The exit status: 0 or 69.</returns>
    public static int Run(CommandContext context, QueueAccess? access = null)
    {
        var options = new GetOpt(context.Arguments, "c:fi:jps:v");
        string? directory = null;
        var mode = '\0';
        var argument = "";
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 'v':
                    break;
                case '?':
                    context.Error.WriteLine($"{context.Name}: {options.Error}");
                    return context.Fatal(Usage, Unavailable);
                default:
                    if (mode != '\0')
                    {
                        return context.Fatal(Usage, Unavailable);
                    }
                    (mode, argument) = (options.Option, options.Argument);
                    break;
            }
        }
        if (mode == '\0' || options.Operands.Count > 0)
        {
            return context.Fatal(Usage, Unavailable);
        }
        if (CommandConfig.Load(context, directory, out var error) is not { } config)
        {
            return context.Fatal(error, Unavailable);
        }
        access ??= QueueAccess.RunningSystem;
        try
        {
            return mode is 'p' or 'j' ? List(context, config, access, json: mode == 'j') : Flush(context, config, access, mode, argument);
        }
        catch (ControlException e)
        {
            return context.Fatal(Text(e, mode, argument), Unavailable);
        }
    }

    /// <summary>Lists the queue, as mailq does.</summary>
    internal static int List(CommandContext context, IConfig config, QueueAccess access, bool json)
    {
        using var queue = access.Get(config, out var error);
        var why = $"(Connect to the {config.Get(CommonParameters.MailName)} showq service: {error})";
        if (queue is null)
        {
            return context.Fatal($"Queue report unavailable - mail system is down {why}", Unavailable);
        }
        if (error.Length > 0)
        {
            context.Warn($"Mail system is down -- accessing queue directly {why}");
        }
        var listing = new QueueListing(context.Output, config.Get(CommonParameters.EnableLongQueueIds), context.Time.LocalTimeZone);
        for (ulong cursor = 0; cursor != ulong.MaxValue;)
        {
            (var messages, cursor) = queue.ListAsync(cursor, Page, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            foreach (var message in messages)
            {
                if (json)
                {
                    context.Output.WriteLine(QueueJson.Line(message));
                }
                else
                {
                    listing.Add(message);
                }
            }
        }
        if (!json)
        {
            listing.End();
        }
        return 0;
    }

    private static int Flush(CommandContext context, IConfig config, QueueAccess access, char mode, string argument)
    {
        ulong id = 0;
        if (mode == 'i' && !QueueName.TryId(argument, out id))
        {
            return context.Fatal($"Cannot flush queue ID - invalid name: \"{argument}\"", Unavailable);
        }
        if (mode == 's' && !IsSite(argument))
        {
            return context.Fatal($"Cannot flush mail queue - invalid destination: \"{argument}\"", Unavailable);
        }
        var (queue, error) = access.Connect(config);
        if (queue is null)
        {
            if (mode != 'f')
            {
                // Postfix: flush(8)'s clients say so, the queue manager's do not.
                context.Warn($"connect to {QueueAccess.SocketName}: {error}");
            }
            return context.Fatal(FlushDown, Unavailable);
        }
        using (queue)
        {
            switch (mode)
            {
                case 'f':
                    queue.FlushAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
                    break;
                case 's':
                    queue.FlushSiteAsync(argument, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                    break;
                default:
                    if (!queue.FlushMessageAsync(id, CancellationToken.None).AsTask().GetAwaiter().GetResult())
                    {
                        context.Warn($"{argument}: no such message waits for delivery");
                    }
                    break;
            }
        }
        return 0;
    }

    private static string Text(ControlException e, char mode, string argument) => (e.Failure, mode) switch
    {
        (ControlFailure.NotEligible, _) => $"Flush service is not configured for destination \"{argument}\"",
        (ControlFailure.NotPermitted, 'p' or 'j') => $"User {Environment.UserName}({Unix.Libc.getuid()}) is not allowed to view the mail queue",
        (ControlFailure.NotPermitted, _) => $"User {Environment.UserName}({Unix.Libc.getuid()}) is not allowed to flush the mail queue",
        (ControlFailure.Unavailable, 'p' or 'j') => $"Queue report unavailable - mail system is down ({e.Message})",
        (ControlFailure.Unavailable, _) => FlushDown,
        _ => e.Message,
    };

    // A host name, or an address literal in brackets (RFC 5321 4.1.3).
    private static bool IsSite(string site)
    {
        if (site is ['[', .. var inner, ']'])
        {
            var v6 = inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
            return IPAddress.TryParse(v6 ? inner[5..] : inner, out var address) && v6 == (address.AddressFamily == AddressFamily.InterNetworkV6);
        }
        return site.Length is > 0 and <= 255
            && Array.TrueForAll(site.Split('.'), label => label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-')
            && !site.AsSpan().ContainsAnyExcept(System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"));
    }
}
