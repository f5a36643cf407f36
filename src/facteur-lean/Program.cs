using Facteur;
using Facteur.Commands;
using Facteur.Root.LocalParent;
using Facteur.Services.Deliver;
using Facteur.Root.Launcher;

// The executable on the base library alone: no tables, no TLS, no resolver. The name it is called by chooses; "facteur-lean NAME args" is the same.
var name = CommandProcess.CalledAs();
IReadOnlyList<string> arguments = args;
if (name == "facteur-lean" && args.Length > 0)
{
    (name, arguments) = (args[0], args[1..]);
}
Func<CommandContext, int> command = name switch
{
    "sendmail" or "mailq" or "newaliases" => context => Sendmail.Run(context, OtherPrograms.Become, (whole, _, _) => OtherPrograms.Become(whole)),
    "master" => MasterProgram.Run,
    LocalParent.Name => context => LocalParent.Run(context.Arguments),
    HelperProcess.Name => context => HelperProcess.Run(context.Arguments),
    "launcher" => context => Launcher.Run(context.Arguments, context.Error),
    "rmail" => context => Rmail.Run(context, OtherPrograms.Become),
    _ => context => context.Fatal("expected one of the names sendmail, mailq, newaliases, rmail", 64),
};
return CommandProcess.Run(name, arguments, CommandProcess.OwnEnvironment(), command);
