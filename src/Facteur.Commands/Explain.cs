using System.Net;

namespace Facteur.Commands;

/// <summary>What "facteur explain" was asked.</summary>
/// <param name="ConfigDirectory">Directory of main.cf and master.cf.</param>
/// <param name="Address">The address; null when a session was asked for.</param>
/// <param name="Client">The client's address.</param>
/// <param name="Name">The client's name; null: it is looked up.</param>
/// <param name="Helo">The argument of EHLO; null: made of the name or the address.</param>
/// <param name="Sender">MAIL FROM, or the address's sender; null when it was not given.</param>
/// <param name="Recipients">RCPT TO.</param>
/// <param name="Service">The master.cf entry.</param>
public sealed record ExplainQuestion(
    string? ConfigDirectory, string? Address, IPAddress? Client, string? Name, string? Helo, string? Sender, IReadOnlyList<string> Recipients, string Service);

/// <summary>"facteur explain": what becomes of an address or a session, and why.</summary>
public static class Explain
{
    private const int RecipientLimit = 100;

    private const string Usage = """
        usage: facteur explain [-c config_dir] address ADDRESS [--from SENDER]
               facteur explain [-c config_dir] session --client IP [--name NAME] [--helo HELO] [--from SENDER] [--to RECIPIENT]... [--service NAME]
        NAME "unknown" is a client without name; without --name it is looked up. SENDER "" or "<>" is the null sender. The service is smtp unless given.
        """;

    /// <summary>Reads the arguments and lets the services answer.</summary>
    /// <param name="context">Arguments and streams.</param>
    /// <param name="answer">Answers a question; gives the exit status.</param>
    /// <returns>0 when mail is taken, 1 when it is refused or deferred, 64 for wrong usage, 78 when the configuration can't be used.</returns>
    public static int Run(CommandContext context, Func<ExplainQuestion, int> answer)
    {
        var (question, wrong) = Parse(context.Arguments);
        if (question is not null)
        {
            return answer(question);
        }
        if (wrong.Length > 0)
        {
            context.Error.WriteLine($"facteur explain: {wrong}");
        }
        context.Error.WriteLine(Usage);
        return 64;
    }

    private static (ExplainQuestion? Question, string Wrong) Parse(IReadOnlyList<string> arguments)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var recipients = new List<string>();
        var words = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var word = arguments[i];
            if (word is not ("-c" or "--client" or "--name" or "--helo" or "--from" or "--to" or "--service"))
            {
                if (word is ['-', _, ..])
                {
                    return (null, $"unknown option {word}");
                }
                words.Add(word);
                continue;
            }
            if (++i == arguments.Count)
            {
                return (null, $"{word} needs an argument");
            }
            var value = arguments[i];
            // Two commands in one argument would not be what was asked.
            if (value.AsSpan().ContainsAny('\r', '\n', '\0'))
            {
                return (null, $"{word}: a line end stands in its argument");
            }
            if (word == "--to")
            {
                recipients.Add(Bare(value));
            }
            else if (!values.TryAdd(word, word is "--from" ? Bare(value) : value))
            {
                return (null, $"{word} is given twice");
            }
        }
        if (recipients.Count > RecipientLimit)
        {
            return (null, $"at most {RecipientLimit} times --to");
        }
        var sender = values.GetValueOrDefault("--from");
        switch (words)
        {
            case ["address", var address]:
                return values.Keys.FirstOrDefault(k => k is not ("-c" or "--from")) is { } other || recipients.Count > 0
                    ? (null, "an address has --from only")
                    : (new ExplainQuestion(values.GetValueOrDefault("-c"), Bare(address), null, null, null, sender, [], ""), "");
            case ["session"]:
                break;
            default:
                return (null, words.Count == 0 ? "" : $"expected address ADDRESS or session, not \"{string.Join(' ', words)}\"");
        }
        if (!IPAddress.TryParse(values.GetValueOrDefault("--client"), out var client))
        {
            return (null, values.TryGetValue("--client", out var text) ? $"--client {text}: not an IP address" : "a session needs --client IP");
        }
        return sender is null && recipients.Count > 0
            ? (null, "--to needs --from; --from \"\" is the null sender")
            : (new ExplainQuestion(values.GetValueOrDefault("-c"), null, client, values.GetValueOrDefault("--name"), values.GetValueOrDefault("--helo"), sender, recipients,
                values.GetValueOrDefault("--service", "smtp")), "");
    }

    private static string Bare(string address) => address is ['<', .. var inner, '>'] ? inner : address;
}
