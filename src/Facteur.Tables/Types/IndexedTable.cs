using Facteur.Tables.Index;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>
/// hash:, btree: and lmdb:, one idea: an LMDB file beside the text, written by postmap. hash: and btree: without that file are read from
/// the text, so that a configuration that came with Berkeley DB files works before postmap has run (docs/decisions/0008).
/// </summary>
internal static class IndexedTable
{
    /// <summary>A text this young is likely at work with: its index will follow (Postfix: dict_lmdb_open).</summary>
    private const int GraceSeconds = 100;

    public static ITable Open(TableRequest request) => new FileTable(request, isPattern: false, Load);

    /// <summary>The index's name.</summary>
    public static string IndexPath(string path) => path + ".lmdb";

    private static FileContent Load(TableRequest request)
    {
        var path = request.Argument;
        var index = IndexPath(path);
        var stamp = FileStamp.Of(index);
        if (stamp.Exists || request.Type == "lmdb")
        {
            var file = LmdbFile.Open(index);
            var content = new LmdbContent(file, request.Options);
            WarnWhenOlder(request, index, FileStamp.OnDisk(index), FileStamp.OnDisk(path));
            return new FileContent(content, [(index, stamp)], IsText: false, file.Owner);
        }
        return LoadText(request, path, index);
    }

    private static FileContent LoadText(TableRequest request, string path, string index)
    {
        var text = FileStamp.Of(path);
        var berkeley = FileStamp.Of(path + ".db");
        if (!text.Exists)
        {
            throw new TableException(berkeley.Exists
                ? $"open database {path}.db: Berkeley DB files are not read; put back the text {path} and run \"postmap {request.FullName}\""
                : $"open database {index}: No such file or directory");
        }
        var aliases = request.Set.IsAliases(request.FullName);
        var entries = Parse(request, path, aliases, out var owner);
        request.Events.Warning($"table {request.FullName}: no index {index}: using the text of {path}; "
            + $"\"{(aliases ? "postalias" : "postmap")} {request.FullName}\" makes the index");
        // With a Berkeley DB file the administrator's habit is to run postmap: an edit alone changes nothing.
        return berkeley.Exists
            ? new FileContent(entries, [(index, default), (path + ".db", berkeley)], IsText: false, owner)
            : new FileContent(entries, [(index, default), (path, text)], IsText: true, owner);
    }

    private static MemoryContent Parse(TableRequest request, string path, bool aliases, out uint owner)
    {
        var content = TableSource.Read(path, "open", out owner);
        var options = request.Options;
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        var lines = aliases
            ? AliasText.Parse(content, path, options.Utf8, request.Events)
            : TableText.Parse(content, path, options.Utf8, request.Events);
        foreach (var entry in lines)
        {
            var key = KeyFold.Fold(entry.Key, options);
            if (!entries.TryAdd(key, entry.Value))
            {
                request.Events.Warning($"{path}, line {entry.Line}: duplicate entry: \"{key}\"");
            }
        }
        return new MemoryContent(entries, options);
    }

    private static void WarnWhenOlder(TableRequest request, string index, FileStamp stamp, FileStamp source)
    {
        if (source.Exists && source.Seconds > stamp.Seconds && source.Seconds < request.Set.Time.GetUtcNow().ToUnixTimeSeconds() - GraceSeconds)
        {
            request.Events.Warning($"database {index} is older than source file {request.Argument}");
        }
    }
}
