using System.Text;

namespace Facteur.Config.MasterCf;

/// <summary>Prints services in master.cf's columns.</summary>
public static class MasterFormat
{
    private static readonly int[] Columns = [0, 11, 17, 25, 33, 41, 49, 57];

    /// <summary>A service on one line, or folded: each option with a value on a line of its own, other arguments wrapped.</summary>
    /// <param name="line">The service.</param>
    /// <param name="fold">Whether to fold.</param>
    /// <param name="setting">Changes the text of each -o; null leaves them.</param>
    public static string Format(MasterLine line, bool fold, Func<string, string>? setting = null)
    {
        var output = new StringBuilder();
        for (var i = 0; i < line.Fields.Count; i++)
        {
            if (i > 0)
            {
                output.Append(' ', Math.Max(1, Columns[i] - output.Length));
            }
            output.Append(line.Fields[i]);
        }
        AppendArguments(output, line, fold, setting);
        return output.ToString();
    }

    /// <summary>Command and arguments, as "postconf -F" shows them.</summary>
    /// <param name="line">The service.</param>
    /// <param name="before">What stands before the command on its line.</param>
    /// <param name="fold">Whether to fold.</param>
    /// <param name="setting">Changes the text of each -o; null leaves them.</param>
    public static string Command(MasterLine line, string before, bool fold, Func<string, string>? setting = null)
    {
        var output = new StringBuilder(before).Append(line.Command);
        AppendArguments(output, line, fold, setting);
        return output.ToString();
    }

    private static void AppendArguments(StringBuilder output, MasterLine line, bool fold, Func<string, string>? setting)
    {
        var column = output.Length;
        var options = line.OptionCount;
        for (var i = 0; i < line.Arguments.Count; i++)
        {
            if (i < options && line.Arguments[i] == "-o" && i + 1 < options)
            {
                var text = line.Arguments[++i];
                Folding.Append(output, $"-o {Protect(setting is null ? text : setting(text))}", Folding.Limit, fold);
                column = Folding.Limit;
            }
            else
            {
                // Postfix: a service's line ends one column earlier than a parameter's.
                column = Folding.Append(output, Protect(line.Arguments[i]), column, fold, Folding.Limit - 1);
            }
        }
    }

    private static string Protect(string argument) =>
        argument.Length == 0 || argument.AsSpan().IndexOfAny(" \t\r\n") >= 0 ? $"{{{argument}}}" : argument;
}
