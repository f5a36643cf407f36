namespace Facteur.Spool;

/// <summary>A file whose blocks are given back when the disk is full, so that outcomes and deletes still find room.</summary>
internal sealed class Reserve(SpoolPaths paths, IDisk disk, long bytes)
{
    /// <summary>The reserve was given back and is not whole again.</summary>
    public bool InUse { get; private set; }

    /// <summary>Makes the reserve when the disk has the room.</summary>
    /// <returns>Whether it is whole now.</returns>
    public bool Restore()
    {
        if (bytes == 0 || Exists())
        {
            InUse = false;
            return true;
        }
        if (disk.FreeBytes(paths.Root) < 2 * bytes || !Make())
        {
            InUse = true;
            return false;
        }
        InUse = false;
        return true;
    }

    /// <summary>Gives the blocks back; false when there were none.</summary>
    public bool Release()
    {
        var released = bytes > 0 && !InUse && disk.Unlink(paths.Reserve) == 0;
        InUse |= released;
        return released;
    }

    private bool Exists()
    {
        var file = disk.Open(paths.Reserve, DiskOpen.Read);
        if (file < 0)
        {
            return false;
        }
        var whole = disk.Length(file) >= bytes;
        _ = disk.Close(file);
        return whole;
    }

    private bool Make()
    {
        var file = disk.Open(paths.Reserve, DiskOpen.OpenOrCreate);
        if (file < 0)
        {
            return false;
        }
        var made = disk.Allocate(file, bytes) == 0;
        _ = disk.Close(file);
        if (!made)
        {
            _ = disk.Unlink(paths.Reserve);
        }
        return made;
    }
}
