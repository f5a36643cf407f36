using System.Text;

namespace Facteur.Commands.Tests;

/// <summary>One run of a command in a directory of its own configuration.</summary>
internal sealed record TableCommandRun(int Status, string Output, string Error)
{
    public static TableCommandRun Of(Func<CommandContext, int> command, string name, string configDirectory, string input, params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        using var stdin = new MemoryStream(Encoding.UTF8.GetBytes(input));
        var status = command(new CommandContext(
            name, arguments, stdin, output, error, TimeProvider.System, new Dictionary<string, string> { ["MAIL_CONFIG"] = configDirectory }));
        return new TableCommandRun(status, output.ToString(), error.ToString());
    }
}
