using Facteur.Tables;

namespace Facteur.Commands;

/// <summary>Tables' words on a command's standard error.</summary>
/// <param name="context">The command.</param>
internal sealed class TableCommandEvents(CommandContext context) : ITableEvents
{
    public void Info(string text) => context.Error.WriteLine($"{context.Name}: {text}");

    public void Warning(string text) => context.Warn(text);

    public void Error(string text) => context.Error.WriteLine($"{context.Name}: error: {text}");
}
