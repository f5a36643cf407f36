using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>facteur parameters: prints the pages that are made of the rows of all parameters.</summary>
public static class ParametersCommand
{
    /// <summary>Prints parameters(5), or with -u the list of those without effect yet; the result is the exit status.</summary>
    public static int Run(CommandContext context)
    {
        switch (context.Arguments)
        {
            case []:
                context.Output.Write(ParameterPages.All());
                return 0;
            case ["-u"]:
                context.Output.Write(ParameterPages.NotYet());
                return 0;
            default:
                return context.Fatal("usage: facteur parameters [-u]");
        }
    }
}
