using Facteur;
using Facteur.Commands;
using Facteur.Services.Server;
using Facteur.Unix;

// The set-gid program. It answers to these names alone: a link to it is set-gid too, whatever its name (docs/security.md).
var name = CommandProcess.CalledAs();
Func<CommandContext, int>? command = name switch
{
    "postdrop" => Postdrop.Run,
    "postqueue" => context => Postqueue.Run(context, new QueueAccess(QueueAccess.RunningSystem.Connect, _ => WholeProgram.Become(context))),
    "postlog" => context => Postlog.Run(context, config => MailLog.OfCommand(config, context.Time)),
    _ => null,
};
if (command is null)
{
    // Not the name as it is: it may be made for the terminal of whoever reads this.
    StandardStream.WriteError("facteur-postdrop: fatal: this program must be called by the name postdrop, postqueue or postlog");
    return 64;
}
return CommandProcess.Run(name, args, Surroundings.Clean(), command);
