using System.Text;
using Facteur.Tables;
using Facteur.Tables.Index;
using Facteur.Tables.Text;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>What writes indexes: from a text, from standard input (-i), without a key (-d).</summary>
internal sealed class TableUpdates(CommandContext context, TableCommandOptions options, TableSet set, ITableEvents events)
{
    /// <summary>Makes the index of a table, or adds to it with -i.</summary>
    /// <remarks>
    /// Postfix: root does so as the owner of the text, whoever that is. Files that its entries name are read with that user's rights, and the index is made in
    /// the directory with them.
    /// </remarks>
    /// <exception cref="TableException">It can't be done.</exception>
    public void Write(string table)
    {
        var colon = table.IndexOf(':', StringComparison.Ordinal);
        // Postfix: the text is opened first, whatever the type can do.
        var source = options.Incremental || colon == table.Length - 1 ? ([], null) : SourceFile.Read(table[(colon + 1)..]);
        var path = PathOf(table, "does not support bulk-mode creation.");
        var (content, owner) = options.Incremental ? (InputLines.ReadAll(context.Input), OwnerOfInput()) : source;
        if (options.KeepRights || owner is not ({ } uid, { } gid) || (uid, gid) == (0, 0) || !FileIdentity.CanChange)
        {
            Write(table, path, content);
            return;
        }
        // A thread of its own: what it gives up, the next table's has.
        var failed = "";
        var thread = new Thread(() =>
        {
            try
            {
                FileIdentity.DropGroups();
                using var identity = FileIdentity.Take(uid, gid);
                Write(table, path, content);
            }
            catch (Exception e) when (e is TableException or IdentityException)
            {
                failed = e.Message;
            }
        });
        thread.Start();
        thread.Join();
        if (failed.Length > 0)
        {
            throw new TableException(failed);
        }
    }

    private void Write(string table, string path, byte[] content)
    {
        var source = options.Incremental ? "stdin" : path;
        using var index = options.Incremental && IndexFile.Exists(table, path)
            ? IndexFile.Load(table, path, options.Tables)
            : IndexFile.Create(table, path, options.Tables);
        var entries = options.Aliases
            ? AliasText.Parse(content, source, options.Tables.Utf8, events)
            : TableText.Parse(content, source, options.Tables.Utf8, events);
        var count = 0;
        foreach (var entry in entries)
        {
            if ((options.FileValues ? FileContent(source, entry) : entry.Value) is not { } value)
            {
                continue;
            }
            count++;
            if (!index.Add(entry.Key, value, options.Replace) && !options.KeepInSilence)
            {
                events.Warning($"{table}: duplicate entry: \"{KeyFold.Fold(entry.Key, options.Tables)}\"");
            }
        }
        if (options.Aliases)
        {
            // Sendmail and NIS look for this entry to see that the table is whole.
            index.Add("@", "@", replace: true);
        }
        // Postfix: rights are those of the text that is read; a pipe has none to give. With -o root's index is root's.
        index.Save(options.InheritMode && (!options.Incremental || OwnerOfInput() is not null), inheritOwner: !options.KeepRights && !options.Incremental);
        if (options.Verbose)
        {
            events.Info($"{table}: {count} entries read from {source}");
        }
    }

    /// <summary>-d: removes one key, or with "-" those on standard input; 0 when one of them was there.</summary>
    /// <exception cref="TableException">It can't be done.</exception>
    public int Delete(IReadOnlyList<string> tables, string key)
    {
        var encoding = options.Tables.Utf8 ? Encoding.UTF8 : Encoding.Latin1;
        var keys = key == "-" ? [.. InputLines.ReadTexts(context.Input).Select(encoding.GetString)] : new List<string> { key };
        var found = false;
        foreach (var table in tables)
        {
            if (table.StartsWith("memcache:", StringComparison.Ordinal) && set.OpenOrThrow(table) is IUpdatableTable updatable)
            {
                found |= Delete(updatable, keys);
                continue;
            }
            using var index = IndexFile.Load(table, PathOf(table, null), options.Tables);
            // All keys are removed, then the index is written once.
            var removed = false;
            foreach (var one in keys)
            {
                removed |= index.Remove(one);
            }
            if (removed)
            {
                found = true;
                index.Save(options.InheritMode);
            }
        }
        return found ? 0 : 1;
    }

    private static bool Delete(IUpdatableTable table, List<string> keys)
    {
        var found = false;
        foreach (var key in keys)
        {
            var lookup = table.DeleteAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            found |= lookup.Status == LookupStatus.Found;
            if (lookup.Status == LookupStatus.Error)
            {
                throw new TableException($"table {table.Name}: delete error: {lookup.Value}");
            }
        }
        return found;
    }

    private static string PathOf(string table, string? unsupported)
    {
        var colon = table.IndexOf(':', StringComparison.Ordinal);
        var type = table[..colon];
        if (!TableTypes.Names.Contains(type))
        {
            throw new TableException($"unsupported dictionary type: {type}");
        }
        if (colon == table.Length - 1)
        {
            throw new TableException($"open dictionary: expecting \"type:name\" form instead of \"{table}\"");
        }
        return TableTypes.IsIndexed(type) ? table[(colon + 1)..]
            : throw new TableException(unsupported is null
                ? type switch
                {
                    // Postfix: a table of any name takes this, and only then says that it can't.
                    "static" or "environ" or "debug" or "internal" => $"table {table}: delete operation is not supported",
                    "fail" => $"table {table}: delete error: Application error",
                    _ => $"{table} map requires O_RDONLY access mode",
                }
                : type == "fail" ? $"table {table}: write error: Application error" : $"unsupported dictionary type: {type} {unsupported}");
    }

    // Whoever gives a file gives it as its owner; what a pipe or a terminal says, who started the command says (Postfix: the terminal's user).
    private static (uint Uid, uint Gid)? OwnerOfInput() => SourceFile.StatusOf(0) is { } status && (status.Mode & Libc.S_IFMT) == Libc.S_IFREG ? (status.Uid, status.Gid) : null;

    /// <summary>-F: the files that a value names, in base 64.</summary>
    private string? FileContent(string source, TableEntry entry)
    {
        if (FileValues.Read(entry.Value, out var wrong) is { } content)
        {
            return Convert.ToBase64String(content);
        }
        events.Warning($"{source}, line {entry.Line}: {wrong}: skipping this entry");
        return null;
    }
}
