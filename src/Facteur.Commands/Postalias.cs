namespace Facteur.Commands;

/// <summary>postalias(1): makes, changes and asks alias tables.</summary>
public static class Postalias
{
    /// <summary>Runs the command; its exit status.</summary>
    public static int Run(CommandContext context) => TableCommand.Run(context, new TableCommandOptions { Aliases = true }, "c:d:fijnNopq:rsuvw", "[-Nfinoprsuvw]");
}
