namespace Facteur.Commands.Tests;

/// <summary>Runs a command without a process.</summary>
internal static class CommandRun
{
    public static (int Status, string Output, string Error) Postconf(params string[] arguments) =>
        Run(Commands.Postconf.Run, "postconf", arguments);

    public static (int Status, string Output, string Error) Run(
        Func<CommandContext, int> command, string name, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var context = new CommandContext(name, arguments, Stream.Null, output, error, TimeProvider.System, environment ?? new Dictionary<string, string>());
        var status = command(context);
        return (status, output.ToString(), error.ToString());
    }
}
