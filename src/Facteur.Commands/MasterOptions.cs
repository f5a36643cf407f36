using Facteur.Config;

namespace Facteur.Commands;

/// <summary>What master(8) is told by who starts it.</summary>
/// <param name="Directory">config_directory, a whole path.</param>
/// <param name="Background">-d: in the background, after "ready" on standard output.</param>
public sealed record MasterOptions(string Directory, bool Background)
{
    /// <summary>Reads "[-c config_dir] [-d] [-v]"; null after a mistake, of which is told.</summary>
    /// <param name="context">The command.</param>
    /// <param name="arguments">Its arguments.</param>
    public static MasterOptions? Read(CommandContext context, IReadOnlyList<string> arguments)
    {
        string? directory = null;
        var background = false;
        var options = new GetOpt(arguments, "c:dv");
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'c':
                    directory = options.Argument;
                    break;
                case 'd':
                    background = true;
                    break;
                case 'v':
                    break;
                default:
                    context.Fatal($"usage: master [-c config_dir] [-d] [-v] [{Postfix.SingleProcess}]");
                    return null;
            }
        }
        return new MasterOptions(Path.GetFullPath(ConfigLoader.FindDirectory(directory, context.Environment)), background);
    }
}
