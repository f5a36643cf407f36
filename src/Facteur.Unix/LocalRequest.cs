using System.Buffers.Binary;
using System.Text;

namespace Facteur.Unix;

/// <summary>What a helper is wanted for; nothing else is granted.</summary>
public enum LocalWork : byte
{
    /// <summary>A helper: commands, mailboxes in the user's reach: mbox, maildir, file.</summary>
    User = 1,

    /// <summary>A .forward or :include: file, open for reading.</summary>
    Read = 2,

    /// <summary>The user's mbox in a directory of mailboxes, open for appending and locked.</summary>
    Mailbox = 3,

    /// <summary>The delivery into a mailbox with a lock file is over.</summary>
    Release = 4,
}

/// <summary>How a mailbox is locked, how a file is looked for.</summary>
[Flags]
public enum LocalBits : byte
{
    /// <summary>With a lock file.</summary>
    Dotlock = 1,

    /// <summary>With a POSIX lock, of the open file.</summary>
    Fcntl = 2,

    /// <summary>With flock(2).</summary>
    Flock = 4,

    /// <summary>The last name of a file to read may be a link.</summary>
    FollowLinks = 8,
}

/// <summary>How the identity is found.</summary>
public enum LocalIdentity : byte
{
    /// <summary>A user, by name.</summary>
    User = 1,

    /// <summary>The owner of a file, if it is this user.</summary>
    Owner = 2,

    /// <summary>Numbers of a virtual mailbox.</summary>
    Virtual = 3,

    /// <summary>"user" or "user:group" of a pipe service; the path is its root directory, or empty.</summary>
    Pipe = 4,
}

/// <summary>
/// One request of the expander: a short message (docs/formats/local.md). Everything in it may be hostile, and nothing in it is
/// an identity: it names where one is found.
/// </summary>
/// <param name="Number">The answer's; for <see cref="LocalWork.Release"/> that of the request that opened the mailbox is in <paramref name="Uid"/>.</param>
/// <param name="Work">What is wanted.</param>
/// <param name="Identity">How the identity is found.</param>
/// <param name="Bits">Locks of a mailbox; or that the last name of a file may be a link.</param>
/// <param name="Uid">User, or the file's owner when it was opened.</param>
/// <param name="Gid">Group.</param>
/// <param name="StaleSeconds">Age of a lock file that is removed.</param>
/// <param name="Name">The user, or the file whose owner it is.</param>
/// <param name="Path">The directory of mailboxes; the file to read; the root directory.</param>
public sealed record LocalRequest(uint Number, LocalWork Work, LocalIdentity Identity, LocalBits Bits, uint Uid, uint Gid, uint StaleSeconds, string Name, string Path)
{
    private const byte Version = 2;
    private const int HeaderLength = 24;
    private const int TextLength = 4096;
    private static readonly UTF8Encoding Strict = new(false, true);

    /// <summary>The request's bytes; null when its texts are too long.</summary>
    public byte[]? Write()
    {
        int nameLength = Encoding.UTF8.GetByteCount(Name), pathLength = Encoding.UTF8.GetByteCount(Path);
        if (nameLength + pathLength > TextLength)
        {
            return null;
        }
        var message = new byte[HeaderLength + nameLength + pathLength];
        (message[0], message[1], message[2], message[3]) = (Version, (byte)Work, (byte)Identity, (byte)Bits);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), Uid);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), Gid);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), StaleSeconds);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(16), (ushort)nameLength);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(18), (ushort)pathLength);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(20), Number);
        Encoding.UTF8.GetBytes(Name, message.AsSpan(HeaderLength));
        Encoding.UTF8.GetBytes(Path, message.AsSpan(HeaderLength + nameLength));
        return message;
    }

    /// <summary>Reads a request; null when it is none.</summary>
    public static LocalRequest? Read(ReadOnlySpan<byte> message)
    {
        if (message.Length < HeaderLength || message[0] != Version || message[1] is < 1 or > 4 || message[2] is < 1 or > 4 || message[3] > 15)
        {
            return null;
        }
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(message[16..]), pathLength = BinaryPrimitives.ReadUInt16LittleEndian(message[18..]);
        var text = message[HeaderLength..];
        if (nameLength + pathLength > TextLength || text.Length != nameLength + pathLength || text.Contains((byte)0))
        {
            return null;
        }
        try
        {
            return new LocalRequest(
                NumberOf(message), (LocalWork)message[1], (LocalIdentity)message[2], (LocalBits)message[3], BinaryPrimitives.ReadUInt32LittleEndian(message[4..]),
                BinaryPrimitives.ReadUInt32LittleEndian(message[8..]), BinaryPrimitives.ReadUInt32LittleEndian(message[12..]),
                Strict.GetString(text[..nameLength]), Strict.GetString(text[nameLength..]));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>The number of what may be no request; 0 where it is too short for one.</summary>
    public static uint NumberOf(ReadOnlySpan<byte> message) => message.Length < HeaderLength ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(message[20..]);
}

/// <summary>What the answer says an errno is of.</summary>
public enum LocalWhere : byte
{
    /// <summary>The request: identity, helper, limits.</summary>
    Request = 0,

    /// <summary>The mailbox or the file, as it was looked for.</summary>
    File = 1,

    /// <summary>The lock file.</summary>
    Dotlock = 2,

    /// <summary>The mailbox, as it was made.</summary>
    NewFile = 3,

    /// <summary>The kernel's locks of the mailbox.</summary>
    Locks = 4,
}

/// <summary>An answer.</summary>
/// <param name="Errno">0, or why not.</param>
/// <param name="Where">What it is of.</param>
/// <param name="Mode">Of a file to read, when its name is there; with EMLINK how many names a mailbox has.</param>
/// <param name="Owner">Of a file to read.</param>
/// <param name="Descriptor">What goes with it, or -1.</param>
public readonly record struct LocalAnswer(int Errno, LocalWhere Where = LocalWhere.Request, uint Mode = 0, uint Owner = 0, int Descriptor = -1)
{
    private const int Length = 20;

    /// <summary>Waits for an answer.</summary>
    /// <param name="socket">The parent's.</param>
    /// <param name="buffer">At least <see cref="DescriptorSocket.MessageLimit"/> bytes.</param>
    /// <param name="number">The number of its request.</param>
    /// <returns>Null when the parent is gone, or says what is no answer.</returns>
    public static LocalAnswer? Receive(DescriptorSocket socket, byte[] buffer, out uint number)
    {
        var count = socket.Receive(buffer, out var descriptor, wait: true, out _);
        number = BinaryPrimitives.ReadUInt32LittleEndian(buffer);
        if (count == Length)
        {
            return new LocalAnswer(
                BinaryPrimitives.ReadInt32LittleEndian(buffer.AsSpan(4)), (LocalWhere)BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(8)),
                BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(12)), BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(16)), descriptor);
        }
        if (descriptor >= 0)
        {
            _ = Libc.close(descriptor);
        }
        return null;
    }

    /// <summary>Sends it and closes the descriptor.</summary>
    /// <param name="socket">The expander's.</param>
    /// <param name="number">The request's number.</param>
    /// <returns>0 or the errno.</returns>
    public int Send(DescriptorSocket socket, uint number)
    {
        Span<byte> bytes = stackalloc byte[Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], Errno);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], (uint)Where);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], Mode);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], Owner);
        var errno = socket.Send(bytes, Descriptor);
        if (Descriptor >= 0)
        {
            _ = Libc.close(Descriptor);
        }
        return errno;
    }
}
