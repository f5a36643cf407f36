using Facteur.Commands;
using Facteur.Commands.Check;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Services.Check;
using Facteur.Unix;

namespace Facteur;

/// <summary>Lets the services of a configuration say what "facteur check" asks.</summary>
internal static class CheckAnswer
{
    /// <summary>How long the servers behind one listener's tables may take.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>What they refuse or warn of when they are made, and whether strangers may relay, by listener.</summary>
    public static List<Finding> Said(CommandContext context, ConfigLoad load)
    {
        var path = $"{load.Config.ConfigDirectory}/master.cf";
        try
        {
            var safety = new RelaySafety(load, context.Time);
            // Root was needed to read tables; what servers answer is read as the mail system's user.
            if (Libc.geteuid() == 0 && UserAccount.Find(load.Config.Get(CommonParameters.MailOwner), out var owner) == 0 && owner is { Uid: not 0 })
            {
                ProcessIdentity.Become(owner.Uid, owner.Gid, ProcessIdentity.GroupsOf(owner));
            }
            var mistakes = safety.Mistakes.Select(m => new Finding(m.File, m.Line, m.IsError ? FindingLevel.Error : FindingLevel.Warning, m.Text)).ToList();
            var judged = safety.JudgeAsync(Patience, CancellationToken.None).GetAwaiter().GetResult();
            safety.DisposeAsync().AsTask().GetAwaiter().GetResult();
            return [.. mistakes, .. judged.Select(listener => new Finding(path, listener.Entry.Line, Level(listener), $"{listener.Entry.Name}/{listener.Entry.TypeName}: {Word(listener.Relaying)}: {listener.Text}"))];
        }
        catch (ConfigException e)
        {
            // No service starts with it; what is wrong has been said at its place.
            var smtpds = load.Entries.Count == 0 ? [("smtp/inet", 0)] : load.Entries.Where(entry => entry.Command == "smtpd").Select(entry => ($"{entry.Name}/{entry.TypeName}", entry.Line));
            return [.. smtpds.Select(smtpd => new Finding(path, smtpd.Item2, FindingLevel.Error, $"{smtpd.Item1}: {Word(Relaying.Closed)}: serves nobody: {e.Message}"))];
        }
        catch (IdentityException e)
        {
            return [new Finding(path, 0, FindingLevel.Error, $"whether strangers may relay can't be said: {e.Message}")];
        }
    }

    private static FindingLevel Level(ListenerSafety listener) => listener.Relaying switch
    {
        Relaying.Open => FindingLevel.Error,
        Relaying.Depends => FindingLevel.Warning,
        _ => listener.Serves ? FindingLevel.Note : FindingLevel.Error,
    };

    private static string Word(Relaying relaying) => relaying switch { Relaying.Open => "open", Relaying.Depends => "depends", _ => "closed" };
}
