using Facteur.Commands;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Net.Dns;
using Facteur.Services.Explain;
using Facteur.Unix;

namespace Facteur;

/// <summary>Lets the services of a configuration answer "facteur explain".</summary>
internal static class ExplainAnswer
{
    private const int ConfigError = 78;

    /// <summary>Answers on standard output.</summary>
    /// <returns>0 when mail is taken, 1 when not, 78 when the configuration can't be used.</returns>
    public static int Run(CommandContext context, ExplainQuestion question)
    {
        var load = ConfigLoader.Load(ConfigLoader.FindDirectory(question.ConfigDirectory, context.Environment), new LoadOptions { ProcessName = "explain" });
        foreach (var error in load.Errors)
        {
            context.Error.WriteLine($"facteur explain: {error}");
        }
        if (load.Errors.Count > 0)
        {
            return ConfigError;
        }
        try
        {
            var session = question.Client is null
                ? null
                : new SessionQuestion(question.Client, question.Name, question.Helo, question.Sender, question.Recipients, question.Service);
            var explainer = new Explainer(load, session, new DnsClientResolver("/etc/resolv.conf", context.Time), context.Time);
            // Root was needed to read tables; names and answers from the network are read as the mail system's user.
            if (Libc.geteuid() == 0 && UserAccount.Find(load.Config.Get(CommonParameters.MailOwner), out var owner) == 0 && owner is { Uid: not 0 })
            {
                ProcessIdentity.Become(owner.Uid, owner.Gid, ProcessIdentity.GroupsOf(owner));
            }
            return session is null ? Address(context, explainer, question) : Session(context, explainer, session);
        }
        catch (Exception e) when (e is ConfigException or IdentityException)
        {
            context.Error.WriteLine($"facteur explain: {e.Message}");
            return ConfigError;
        }
    }

    private static int Address(CommandContext context, Explainer explainer, ExplainQuestion question)
    {
        var taken = explainer.AddressAsync(question.Address!, question.Sender ?? "", CancellationToken.None).GetAwaiter().GetResult();
        context.Output.Write(explainer.Explanation.Text);
        return taken ? 0 : 1;
    }

    private static int Session(CommandContext context, Explainer explainer, SessionQuestion question)
    {
        var decisive = explainer.SessionAsync(question, CancellationToken.None).GetAwaiter().GetResult();
        context.Output.Write(explainer.Explanation.Text);
        // Of several recipients each has its answer; then there is one to the message, when one of them was taken.
        IReadOnlyList<SessionAnswer> recipients = question.Recipients.Count > 1 ? [.. explainer.Answers.Where(a => a.IsRecipient)] : [];
        foreach (var (recipient, answer) in question.Recipients.Zip(recipients))
        {
            Write(context, $"answer to <{recipient}>", answer);
        }
        if (recipients.Count == 0)
        {
            Write(context, "answer", decisive);
        }
        else if (explainer.Answers.LastOrDefault(a => a.Command is "DATA" or "the message") is { } last)
        {
            Write(context, "answer", last);
        }
        return decisive.Reply is ['2', ..] ? 0 : 1;
    }

    private static void Write(CommandContext context, string what, SessionAnswer answer)
    {
        foreach (var line in answer.Reply.Length > 0 ? answer.Reply.Split('\n') : ["the connection was closed"])
        {
            context.Output.WriteLine($"{what}: {line}");
        }
        if (answer.Decision is { } decision)
        {
            context.Output.WriteLine($"decided by: {decision.Text}");
        }
    }
}
