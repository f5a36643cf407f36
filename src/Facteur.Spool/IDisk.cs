namespace Facteur.Spool;

/// <summary>How a file is opened.</summary>
public enum DiskOpen : byte
{
    /// <summary>An existing file, for reading.</summary>
    Read = 1,

    /// <summary>An existing file, for reading and writing.</summary>
    Write = 2,

    /// <summary>A new file (mode 0600); EEXIST when the name is taken.</summary>
    Create = 3,

    /// <summary>An existing or new file.</summary>
    OpenOrCreate = 4,
}

/// <summary>
/// The file system as the spool sees it. Every result is libc's: zero or more when done, the negated errno when not; nothing throws and no failure is hidden.
/// The spool's promises rest on three of them: <see cref="SyncData"/>, <see cref="SyncDirectory"/> and the order of calls.
/// </summary>
public interface IDisk
{
    /// <summary>Opens a file; links are not followed.</summary>
    /// <returns>The descriptor, or the negated errno.</returns>
    int Open(string path, DiskOpen how);

    /// <summary>Closes a descriptor.</summary>
    int Close(int file);

    /// <summary>Reads at an offset; fewer bytes than asked only at the end of the file.</summary>
    int Read(int file, Span<byte> into, long offset);

    /// <summary>Writes at an offset; may write fewer bytes than asked.</summary>
    int Write(int file, ReadOnlySpan<byte> bytes, long offset);

    /// <summary>Lets the kernel begin to write out what was written to a range; promises nothing, waits for nothing, hides no error from <see cref="SyncData"/>.</summary>
    void StartWriting(int file, long offset, long length);

    /// <summary>fdatasync(2): the file's bytes and size are on stable storage when this returns 0.</summary>
    int SyncData(int file);

    /// <summary>fsync(2) of a directory: its names are on stable storage when this returns 0.</summary>
    int SyncDirectory(string path);

    /// <summary>rename(2): atomic, replaces the target.</summary>
    int Rename(string from, string to);

    /// <summary>unlink(2).</summary>
    int Unlink(string path);

    /// <summary>mkdir(2), mode 0750.</summary>
    int MakeDirectory(string path);

    /// <summary>Adds the names in a directory to a list, without "." and "..".</summary>
    int List(string path, List<string> names);

    /// <summary>flock(2), exclusive, without waiting; EAGAIN when another has it.</summary>
    int TryLock(int file);

    /// <summary>ftruncate(2).</summary>
    int Truncate(int file, long length);

    /// <summary>posix_fallocate(3) from offset 0: the blocks are reserved.</summary>
    int Allocate(int file, long length);

    /// <summary>The file's length.</summary>
    long Length(int file);

    /// <summary>Bytes an ordinary user may still write in the file system of a path.</summary>
    long FreeBytes(string path);
}
