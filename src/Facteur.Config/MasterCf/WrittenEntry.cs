using Facteur.Config.Expansion;

namespace Facteur.Config.MasterCf;

/// <summary>An entry as an editor meets it: only its name and type are known to be there, so that one with a mistake can be replaced or removed (Postfix).</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type as written.</param>
/// <param name="Text">The logical line.</param>
/// <param name="Place">File and line, for messages.</param>
public sealed record WrittenEntry(string Name, string Type, string Text, string Place)
{
    internal static WrittenEntry Of(string text, string place) => Braces.Split(text, MasterLine.Blanks) is [var name, var type, ..]
        ? new(name, type, text, place)
        : throw new ConfigException($"{place}: specify service name and type on the same line");

    /// <summary>All of it; a mistake is an exception.</summary>
    public MasterLine Read() => MasterLine.Parse(Text, 0, out var wrong) ?? throw new ConfigException($"{Place}: {wrong}");
}
