using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>texthash: the text of postmap(1), kept in memory.</summary>
internal static class TexthashTable
{
    public static ITable Open(TableRequest request) => new FileTable(request, isPattern: false, Load);

    private static FileContent Load(TableRequest request)
    {
        var path = request.Argument;
        var stamp = FileStamp.Of(path);
        var content = TableSource.Read(path, "open database", out var owner);
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in TableText.Parse(content, path, request.Options.Utf8, request.Events, " -- ignoring this line"))
        {
            var key = KeyFold.Fold(entry.Key, request.Options);
            if (!entries.TryAdd(key, entry.Value))
            {
                request.Events.Warning($"{path}, line {entry.Line}: duplicate entry: \"{entry.Key}\"");
            }
        }
        return new FileContent(new MemoryContent(entries, request.Options), [(path, stamp)], IsText: true, owner);
    }
}
