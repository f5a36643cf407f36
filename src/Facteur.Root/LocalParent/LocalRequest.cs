using System.Buffers.Binary;
using System.Text;

namespace Facteur.Root.LocalParent;

/// <summary>What a helper is wanted for; nothing else is granted.</summary>
internal enum LocalWork : byte
{
    /// <summary>Reading .forward and :include: files, commands, mailboxes in the user's reach: mbox, maildir, file.</summary>
    User = 1,

    /// <summary>The user's mbox in a directory of mailboxes.</summary>
    Spool = 2,
}

/// <summary>How the identity is found.</summary>
internal enum LocalIdentity : byte
{
    /// <summary>A user, by name.</summary>
    User = 1,

    /// <summary>The owner of a file, if it is this user.</summary>
    Owner = 2,

    /// <summary>Numbers of a virtual mailbox.</summary>
    Virtual = 3,

    /// <summary>"user" or "user:group" of a pipe service of master.cf; the directory is its chroot=, or "".</summary>
    Pipe = 4,
}

/// <summary>
/// One request of the expander: a message of a fixed length (docs/formats/local.md). Everything in it may be hostile, and nothing in it is
/// an identity: it names where one is found.
/// </summary>
internal sealed record LocalRequest(LocalWork Work, LocalIdentity Identity, bool Dotlock, uint Uid, uint Gid, uint StaleSeconds, string Name, string Directory)
{
    /// <summary>Bytes of a request.</summary>
    public const int Length = HeaderLength + TextLength;

    private const byte Version = 1;
    private const int HeaderLength = 20;
    private const int TextLength = 4096;
    private static readonly UTF8Encoding Strict = new(false, true);

    /// <summary>Reads a request; null when it is none.</summary>
    public static LocalRequest? Read(ReadOnlySpan<byte> message)
    {
        if (message.Length != Length || message[0] != Version || message[1] is < 1 or > 2 || message[2] is < 1 or > 4 || message[3] > 1)
        {
            return null;
        }
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(message[16..]), directoryLength = BinaryPrimitives.ReadUInt16LittleEndian(message[18..]);
        var text = message[HeaderLength..];
        if (nameLength + directoryLength > TextLength || text[..(nameLength + directoryLength)].Contains((byte)0) || text[(nameLength + directoryLength)..].ContainsAnyExcept((byte)0))
        {
            return null;
        }
        try
        {
            return new LocalRequest(
                (LocalWork)message[1], (LocalIdentity)message[2], message[3] == 1, BinaryPrimitives.ReadUInt32LittleEndian(message[4..]),
                BinaryPrimitives.ReadUInt32LittleEndian(message[8..]), BinaryPrimitives.ReadUInt32LittleEndian(message[12..]),
                Strict.GetString(text[..nameLength]), Strict.GetString(text.Slice(nameLength, directoryLength)));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
