using System.Text;

namespace Facteur.Commands;

/// <summary>
/// rmail(1): mail that came by UUCP. The "From " lines in front of it say which way it came; the sender becomes an address, and sendmail(1) does the rest.
/// </summary>
public static class Rmail
{
    private const int UsageError = 64;
    private const int DataError = 65;
    private const int LineLimit = 2048;

    /// <summary>Runs the command.</summary>
    /// <param name="context">Its surroundings.</param>
    /// <param name="runOther">Runs sendmail's other commands.</param>
    /// <returns>The exit status.</returns>
    public static int Run(CommandContext context, Func<CommandContext, int> runOther)
    {
        if (context.Arguments.Count == 0 || context.Arguments[0] is ['-', ..])
        {
            return context.Fatal("usage: rmail recipient...", UsageError);
        }
        if (ReadSender(context.Input) is not { } sender)
        {
            return context.Fatal("the message does not begin with a \"From \" line", DataError);
        }
        return Sendmail.Run(context with { Name = "sendmail", Arguments = ["-G", "-i", "-f", sender, "--", .. context.Arguments] }, runOther, (_, _, _) => UsageError);
    }

    /// <summary>Reads the first line, "From sender date … remote from host".</summary>
    /// <returns>The sender, with host behind it unless it names one; null when the line is another.</returns>
    private static string? ReadSender(Stream input)
    {
        var line = new List<byte>();
        // Byte by byte: what follows is sendmail's.
        while (input.ReadByte() is >= 0 and not '\n' and var b)
        {
            if (line.Count == LineLimit)
            {
                return null;
            }
            line.Add((byte)b);
        }
        if (Encoding.UTF8.GetString([.. line]).TrimEnd('\r').Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is not ["From", var sender, .. var rest])
        {
            return null;
        }
        return sender.Contains('@') || sender.Contains('!') || rest.Length == 0 ? sender : $"{sender}@{rest[^1]}";
    }
}
