using Facteur.Tables.Cache;
using Facteur.Tables.Index;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>
/// hash:, btree:, dbm:, sdbm: and lmdb:, one idea: an LMDB file beside the text, written by postmap; cdb: is the same with a CDB file. Without
/// that file all but lmdb: and cdb: are read from Postfix's Berkeley DB file, or else from the text, so that a configuration works
/// before postmap has run (docs/decisions/0008).
/// </summary>
internal static class IndexedTable
{
    /// <summary>A text this young is likely at work with: its index will follow (Postfix: dict_lmdb_open).</summary>
    private const int GraceSeconds = 100;

    public static ITable Open(TableRequest request) => new FileTable(request, isPattern: false, Load);

    private static FileContent Load(TableRequest request)
    {
        var path = request.Argument;
        var kind = IndexKind.Of(request.Type);
        var index = path + kind.Suffix;
        var stamp = FileStamp.Of(index);
        if (stamp.Exists || (request.Type is "lmdb" or "cdb" && !FileStamp.Of(path + CacheFile.Suffix).Exists))
        {
            var content = Read(request, kind.Open(index), index, stamp);
            if (IndexKind.HasBerkeley(request.Type) && FileStamp.Of(path + ".db") is var other && IsOlder(stamp, other))
            {
                request.Events.Warning($"{path}.db is newer than {index}, which is used; run \"{Maker(request)} {request.FullName}\" here after a change");
            }
            return content;
        }
        if (!stamp.Exists && FileStamp.Of(path + CacheFile.Suffix) is { Exists: true } cache)
        {
            return new FileContent(new IndexContent(request.FullName, ReadCache(path + CacheFile.Suffix), request.Options), [(path + CacheFile.Suffix, cache)], IsText: false, uint.MaxValue);
        }
        var berkeley = FileStamp.Of(path + ".db");
        if (IndexKind.HasBerkeley(request.Type) && berkeley.Exists)
        {
            var content = Read(request, BerkeleyFile.Open(path + ".db"), path + ".db", berkeley);
            return content with { Watched = [(index, default), .. content.Watched] };
        }
        return LoadText(request, path, index);
    }

    private static FileContent Read(TableRequest request, IEntries entries, string index, FileStamp stamp)
    {
        // Of a copy that was handed over the time is another.
        var source = FileStamp.OnDisk(request.Argument);
        if (IsOlder(FileStamp.OnDisk(index), source) && IsOlderThanGrace(request, source))
        {
            request.Events.Warning($"database {index} is older than source file {request.Argument}");
        }
        return new FileContent(new IndexContent(request.FullName, entries, request.Options), [(index, stamp)], IsText: false, entries.Owner);
    }

    /// <summary>A table that the system itself writes is in a file of its own: postmap -q and -s show it under its name.</summary>
    private static EntryStore ReadCache(string path)
    {
        var entries = new EntryStore();
        try
        {
            CacheFile.Read(path, Take, out _);
            return entries;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TableException($"open database {path}: {TableSource.Reason(path, e)}");
        }

        void Take(string key, string? value)
        {
            if (value is null)
            {
                entries.Remove(System.Text.Encoding.UTF8.GetBytes(key));
                return;
            }
            entries.Add(System.Text.Encoding.UTF8.GetBytes(key), System.Text.Encoding.UTF8.GetBytes(value), replace: true);
        }
    }

    private static FileContent LoadText(TableRequest request, string path, string index)
    {
        var text = FileStamp.Of(path);
        if (!text.Exists)
        {
            throw new TableException($"open database {index}: No such file or directory");
        }
        var entries = Parse(request, path);
        request.Events.Warning($"table {request.FullName}: no index {index}: using one made of {path} in memory; \"{Maker(request)} {request.FullName}\" makes the file");
        return new FileContent(new IndexContent(request.FullName, entries, request.Options), [(index, default), (path + ".db", default), (path, text)], IsText: true, entries.Owner);
    }

    private static EntryStore Parse(TableRequest request, string path)
    {
        var content = TableSource.Read(path, "open", out var owner);
        var options = request.Options;
        var encoding = options.Utf8 ? System.Text.Encoding.UTF8 : System.Text.Encoding.Latin1;
        var nul = options.NulTerminated == true ? "\0" : "";
        var entries = new EntryStore { Owner = owner };
        var lines = request.Set.IsAliases(request.FullName)
            ? AliasText.Parse(content, path, options.Utf8, request.Events)
            : TableText.Parse(content, path, options.Utf8, request.Events);
        foreach (var entry in lines)
        {
            var key = KeyFold.Fold(entry.Key, options);
            if (!entries.Add(encoding.GetBytes(key + nul), encoding.GetBytes(entry.Value + nul), replace: false))
            {
                request.Events.Warning($"{path}, line {entry.Line}: duplicate entry: \"{key}\"");
            }
        }
        return entries;
    }

    private static string Maker(TableRequest request) => request.Set.IsAliases(request.FullName) ? "postalias" : "postmap";

    private static bool IsOlder(FileStamp index, FileStamp other) => other.Exists && other.Seconds > index.Seconds;

    private static bool IsOlderThanGrace(TableRequest request, FileStamp source) => source.Seconds < request.Set.Time.GetUtcNow().ToUnixTimeSeconds() - GraceSeconds;
}
