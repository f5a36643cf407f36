namespace Facteur.Commands;

/// <summary>postmap(1): makes, changes and asks lookup tables.</summary>
public static class Postmap
{
    /// <summary>Runs the command; its exit status.</summary>
    public static int Run(CommandContext context) =>
        TableCommand.Run(context, new TableCommandOptions(), "bc:d:fFhijmnNopq:rsuUvw", "[-bfFhimnNoprsuUvw]");
}
