using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>The system's libsqlite3, loaded when the first sqlite: table is opened.</summary>
public static unsafe partial class Sqlite3
{
    /// <summary>The library's name.</summary>
    public const string Library = "libsqlite3.so.0";

#pragma warning disable CS1591 // sqlite3.h documents these.
    public const int OK = 0, ROW = 100, DONE = 101;
    public const int OPEN_READONLY = 1, OPEN_NOMUTEX = 0x8000;

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] public static partial int sqlite3_open_v2(string path, out nint database, int flags, nint vfs);
    [LibraryImport(Library)] public static partial int sqlite3_close_v2(nint database);
    [LibraryImport(Library)] public static partial int sqlite3_busy_timeout(nint database, int milliseconds);
    [LibraryImport(Library)] public static partial void sqlite3_interrupt(nint database);
    [LibraryImport(Library)] public static partial int sqlite3_prepare_v2(nint database, byte* query, int length, out nint statement, out byte* rest);
    [LibraryImport(Library)] public static partial int sqlite3_step(nint statement);
    [LibraryImport(Library)] public static partial int sqlite3_finalize(nint statement);
    [LibraryImport(Library)] public static partial byte* sqlite3_column_text(nint statement, int column);
    [LibraryImport(Library)] public static partial int sqlite3_column_bytes(nint statement, int column);
    [LibraryImport(Library)] public static partial byte* sqlite3_errmsg(nint database);
#pragma warning restore CS1591

    /// <summary>Whether the library is there.</summary>
    public static bool IsAvailable => NativeLibrary.TryLoad(Library, out _);
}
