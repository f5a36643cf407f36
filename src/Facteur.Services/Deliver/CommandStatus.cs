using Facteur.Mail.Dsn;
using Facteur.Spool;

namespace Facteur.Services.Deliver;

/// <summary>What the end of a command means for its recipient: exit codes of sysexits.h, or an enhanced status code at the start of its output.</summary>
internal static class CommandStatus
{
    private const int Software = 70;

    // Postfix, sys_exits.c: subject and detail, and whether it may be better later.
    private static readonly (bool Later, ushort Subject, ushort Detail, string Text)[] Exits =
    [
        (false, 3, 0, "command line usage error"), (false, 6, 0, "data format error"), (false, 3, 0, "cannot open input"), (false, 1, 1, "user unknown"),
        (false, 1, 2, "host name unknown"), (false, 3, 0, "service unavailable"), (false, 3, 0, "internal software error"), (true, 3, 0, "system resource problem"),
        (false, 3, 0, "critical OS file missing"), (false, 2, 0, "can't create user output file"), (false, 3, 0, "input/output error"), (true, 3, 0, "temporary failure"),
        (false, 5, 0, "remote error in protocol"), (false, 7, 0, "permission denied"), (false, 3, 5, "local configuration error"),
    ];

    /// <summary>The status of a command that did not take its mail; null when it did.</summary>
    /// <param name="command">The command, for texts.</param>
    /// <param name="end">How it ended.</param>
    public static DeliveryStatus? Failure(string command, CommandEnd end)
    {
        const int first = 64;
        var about = end.Output.Length > 0 ? $". Command output: {end.Output}" : "";
        switch (end.Kind)
        {
            case CommandEndKind.Exited when end.Number == 0:
                return null;
            case CommandEndKind.TimedOut:
                return Unix(DeliveryStatus.Bounced(3, 0, $"Command time limit exceeded: \"{command}\"{about}"), end, Software);
            case CommandEndKind.Signalled:
                return Unix(DeliveryStatus.Deferred(3, 0, $"Command died with signal {end.Number}: \"{command}\"{about}"), end, Software);
            case CommandEndKind.NotStarted:
                // Postfix: a child that can't start its command ends as one whose command says "later".
                return Unix(DeliveryStatus.Deferred(3, 0, $"temporary failure{about}"), end, first + 11);
            case CommandEndKind.NoContent:
                return MailboxResult.NotReadable((ContentRead)end.Number == ContentRead.Damaged ? CopyEnd.Damaged : CopyEnd.Unreadable).Failure;
        }
        if (EnhancedStatus.TryParsePrefix(end.Output, out var code, out var length))
        {
            var text = Cut(end.Output[length..].TrimStart());
            var reason = text.Length > 0 ? text : "(description unavailable)";
            var said = code.Class == 4 ? DeliveryStatus.Deferred(code.Subject, code.Detail, reason)
                : code.Class == 5 ? DeliveryStatus.Bounced(code.Subject, code.Detail, reason) : DeliveryStatus.Bounced(0, 0, reason);
            return text.Length == 0 ? said : said with { DiagnosticType = "x-unix", DiagnosticText = text };
        }
        var index = end.Number - first;
        if (index < 0 || index >= Exits.Length)
        {
            return Unix(DeliveryStatus.Bounced(3, 0, $"Command died with status {end.Number}: \"{command}\"{about}"), end, end.Number);
        }
        var (later, subject, detail, words) = Exits[index];
        return Unix(later ? DeliveryStatus.Deferred(subject, detail, words + about) : DeliveryStatus.Bounced(subject, detail, words + about), end, end.Number);
    }

    /// <summary>The code of success that a command gave although it failed, and that counts for nothing; or null.</summary>
    public static EnhancedStatus? Ignored(CommandEnd end) =>
        end is { Kind: CommandEndKind.Exited, Number: not 0 } && EnhancedStatus.TryParsePrefix(end.Output, out var code, out _) && code.Class == 2 ? code : null;

    private static DeliveryStatus Unix(DeliveryStatus status, CommandEnd end, int exit) => status with
    {
        Reason = Cut(status.Reason),
        DiagnosticType = "x-unix",
        DiagnosticText = Cut(end.Output.Length > 0 ? end.Output.TrimStart() : exit - 64 is >= 0 and var index && index < Exits.Length ? Exits[index].Text : $"unknown mail system error {exit}"),
    };

    private static string Cut(string text) => text.Length > DeliveryStatus.ReasonLimit ? text[..DeliveryStatus.ReasonLimit] : text;
}
