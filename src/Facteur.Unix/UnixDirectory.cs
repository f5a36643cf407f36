using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Facteur.Unix;

/// <summary>What is in an open directory: whoever has the descriptor may read it, whatever the directory's mode says, and no name above it counts.</summary>
public static unsafe class UnixDirectory
{
    private const int BufferLength = 32 << 10;
    private static readonly Lock Gate = new();

    /// <summary>Its names, without "." and "..", from the first.</summary>
    /// <param name="descriptor">The directory.</param>
    /// <param name="names">Takes them.</param>
    /// <returns>0 or the errno; names that were read before it are there.</returns>
    public static int Names(int descriptor, ICollection<string> names)
    {
        // struct linux_dirent64: inode, offset, u16 length at 16, u8 type, name and NUL from 19.
        const int lengthAt = 16, nameAt = 19;
        var buffer = new byte[BufferLength];
        // The place in a directory is the open file's: two readers would share it.
        lock (Gate)
        {
            if (Libc.lseek(descriptor, 0, 0) < 0)
            {
                return Marshal.GetLastPInvokeError();
            }
            fixed (byte* start = buffer)
            {
                while (true)
                {
                    var count = (int)Libc.getdents64(descriptor, start, BufferLength);
                    if (count <= 0)
                    {
                        return count == 0 ? 0 : Marshal.GetLastPInvokeError();
                    }
                    for (var rest = buffer.AsSpan(0, count); rest.Length > nameAt; rest = rest[BinaryPrimitives.ReadUInt16LittleEndian(rest[lengthAt..])..])
                    {
                        var name = rest[nameAt..BinaryPrimitives.ReadUInt16LittleEndian(rest[lengthAt..])];
                        var text = Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]);
                        if (text is not "." and not "..")
                        {
                            names.Add(text);
                        }
                    }
                }
            }
        }
    }
}
