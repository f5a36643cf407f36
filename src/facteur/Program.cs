using Facteur;
using Facteur.Commands;
using Facteur.Unix;

// Continuations of sockets run where they complete: a hand-over to the thread pool costs more than what they do. One thread waits for
// the sockets of four cores: a second one that shares them splits what arrives together into twice as many wake-ups.
Default("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
Default("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Max(1, (Environment.ProcessorCount + 2) / 4).ToString(System.Globalization.CultureInfo.InvariantCulture));

// The name it is called by chooses; "facteur NAME args" is the same as "NAME args".
var name = Path.GetFileName(Environment.GetCommandLineArgs()[0]);
IReadOnlyList<string> arguments = args;
if (name is "facteur" or "facteur.dll")
{
    if (args.Length == 0)
    {
        StandardStream.WriteError($"usage: facteur NAME [arguments]; names: {string.Join(' ', Names.All)}, and spool, explain, check");
        return 64;
    }
    (name, arguments) = (args[0], args[1..]);
}
return CommandProcess.Run(name, arguments, CommandProcess.OwnEnvironment(), Names.Run);

static void Default(string variable, string value)
{
    if (Environment.GetEnvironmentVariable(variable) is null)
    {
        Environment.SetEnvironmentVariable(variable, value);
    }
}
