using System.Runtime.InteropServices;
using System.Text;
using Facteur.Tables.Databases;
using Facteur.Unix;

namespace Facteur.Tables.Types;

/// <summary>
/// sqlite: (sqlite_table(5)): a query of a database file, which is only read, on own threads, each over a connection of its own. A file that was replaced is opened anew.
/// </summary>
internal sealed class SqliteTable : SqlTable
{
    private const int BusyMilliseconds = 5000;

    /// <summary>A little more than a lookup waits: who is not done then is stopped, and its thread is free.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(25);

    private readonly string _path;
    private readonly Lock _lock = new();
    private readonly Stack<Handle> _idle = new();
    private bool _disposed;

    private SqliteTable(TableRequest request, SourceSettings settings)
        : base(request, settings)
    {
        _path = settings.Text("dbpath");
        if (KeyIsInDoubleQuotes())
        {
            Events.Warning($"{Name}: the query has the key between double quotes, where it is not protected against SQL injection: expected single quotes");
        }
        // A mistake in the path is told now, not with the first mail.
        Put(Connect());
    }

    public static ITable Open(TableRequest request) =>
        Sqlite3.IsAvailable ? new SqliteTable(request, SourceSettings.Read(request))
            : throw new TableException($"{request.FullName}: sqlite: tables need the library {Sqlite3.Library}, which is not there");

    public override void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            while (_idle.TryPop(out var handle))
            {
                handle.Close();
            }
        }
    }

    protected override ValueTask<Lookup> FindAsync(string key, CancellationToken cancel) => Threads.RunAsync(Find, key, cancel);

    private Lookup Find(string key)
    {
        var handle = Take();
        try
        {
            handle ??= Connect();
        }
        catch (TableException e)
        {
            Events.Warning(e.Message);
            return Lookup.Error(e.Message);
        }
        using var stop = Time.CreateTimer(static handle => ((Handle)handle!).Interrupt(), handle, Longest, Timeout.InfiniteTimeSpan);
        var lookup = Ask(handle.Database, key);
        Put(handle);
        return lookup;
    }

    private unsafe Lookup Ask(nint database, string key)
    {
        var query = Query(key, SqlQuoting.Standard);
        var bytes = Encoding.UTF8.GetBytes(query);
        var results = new Results(this, key);
        nint statement;
        fixed (byte* start = bytes)
        {
            if (Sqlite3.sqlite3_prepare_v2(database, start, bytes.Length, out statement, out var rest) != Sqlite3.OK)
            {
                results.Fail($"dict_sqlite_lookup: {Source}: SQL prepare failed: {Message(database)}");
                return results.Lookup;
            }
            var left = Encoding.UTF8.GetString(rest, (int)(start + bytes.Length - rest)).Trim();
            if (left.Length > 0)
            {
                Events.Warning($"dict_sqlite_lookup: {Source}: Ignoring text at end of query: {left}");
            }
        }
        var status = Sqlite3.sqlite3_step(statement);
        // Postfix: of each row the first column, where other databases give all.
        for (var more = true; more && status == Sqlite3.ROW; status = more ? Sqlite3.sqlite3_step(statement) : status)
        {
            var text = Sqlite3.sqlite3_column_text(statement, 0);
            more = results.Add(text is null ? null : Encoding.UTF8.GetString(text, Sqlite3.sqlite3_column_bytes(statement, 0)));
        }
        if (status is not (Sqlite3.ROW or Sqlite3.DONE))
        {
            results.Fail($"dict_sqlite_lookup: {Source}: SQL step failed for query '{query}': {Message(database)}");
        }
        _ = Sqlite3.sqlite3_finalize(statement);
        return results.Lookup;
    }

    private static unsafe string Message(nint database) => Marshal.PtrToStringUTF8((nint)Sqlite3.sqlite3_errmsg(database)) ?? "";

    private Handle Connect()
    {
        var stamp = FileStamp.Of(_path);
        if (Sqlite3.sqlite3_open_v2(_path, out var database, Sqlite3.OPEN_READONLY | Sqlite3.OPEN_NOMUTEX, 0) == Sqlite3.OK)
        {
            _ = Sqlite3.sqlite3_busy_timeout(database, BusyMilliseconds);
            return new Handle(database, stamp.Inode);
        }
        var reason = database == 0 ? "out of memory" : Message(database);
        _ = Sqlite3.sqlite3_close_v2(database);
        throw new TableException($"{Name}: Can't open database: {reason}");
    }

    private Handle? Take()
    {
        var inode = FileStamp.Of(_path).Inode;
        lock (_lock)
        {
            while (_idle.TryPop(out var handle))
            {
                if (handle.Inode == inode)
                {
                    return handle;
                }
                handle.Close();
            }
            return null;
        }
    }

    private void Put(Handle handle)
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                _idle.Push(handle);
                return;
            }
        }
        handle.Close();
    }

    /// <summary>A connection. Interrupted only while it is open.</summary>
    private sealed class Handle(nint database, ulong inode)
    {
        private readonly Lock _lock = new();
        private bool _closed;

        public nint Database { get; } = database;

        public ulong Inode { get; } = inode;

        public void Interrupt()
        {
            lock (_lock)
            {
                if (!_closed)
                {
                    Sqlite3.sqlite3_interrupt(Database);
                }
            }
        }

        public void Close()
        {
            lock (_lock)
            {
                _closed = true;
                _ = Sqlite3.sqlite3_close_v2(Database);
            }
        }
    }
}
