using Facteur.Mail.Dsn;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>What became of looking for a user's .forward.</summary>
/// <param name="Failure">It can't be read now; else null.</param>
/// <param name="Tokens">Its destinations, which may be none; null when there is no file to follow.</param>
/// <param name="UsesExtension">Its name holds the extension, which is matched by that.</param>
/// <param name="Path">Its name, or null when there is none.</param>
internal readonly record struct ForwardAnswer(DeliveryStatus? Failure, List<AliasToken>? Tokens, bool UsesExtension, string? Path);

/// <summary>forward_path: the first name of the list that is there counts, and counts only when it is safe.</summary>
internal sealed class LocalForwardFile(LocalRooms rooms)
{
    private const uint OthersWrite = 2;

    private readonly LocalSettings _settings = rooms.Settings;

    /// <summary>Looks for it, as the user.</summary>
    /// <param name="account">The user.</param>
    /// <param name="part">The recipient's local part.</param>
    /// <param name="address">The recipient.</param>
    /// <param name="cancel">Ends waiting for room.</param>
    public async ValueTask<ForwardAnswer> FindAsync(UserAccount account, LocalPart part, string address, CancellationToken cancel)
    {
        var user = new UserIdentity(IdentityKind.User, account.Name, account.Uid, account.Gid);
        foreach (var template in _settings.ForwardPath)
        {
            var usesExtension = false;
            var path = LocalExpansion.Expand(template, name =>
            {
                usesExtension |= name == "extension" && part.Extension is not null;
                return LocalNames.Filter(LocalNames.Value(name, part, address, account, _settings.Delimiters), _settings.ForwardFilter);
            });
            if (path is not ['/', ..] || path.Contains("/../", StringComparison.Ordinal))
            {
                continue;
            }
            var file = await rooms.Hands.ReadAsync(user, path, followLinks: false, cancel).ConfigureAwait(false);
            if (file is { Found: false, Errno: Libc.EIO or Libc.ENOMEM or Libc.EMFILE or Libc.ENFILE or Libc.EAGAIN or Libc.ESTALE })
            {
                return new ForwardAnswer(Failed(path, file.Errno), null, false, path);
            }
            if (file.Found)
            {
                return Follow(file, user, path, usesExtension);
            }
        }
        return default;
    }

    private static DeliveryStatus Failed(string path, int errno) => DeliveryStatus.Deferred(3, 0, $"unable to read {path}: {Errno.Text(errno)}");

    private ForwardAnswer Follow(FileRead file, UserIdentity user, string path, bool usesExtension)
    {
        // Postfix: what may not be used is warned of, and the mail goes to the mailbox.
        if ((file.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            LocalLog.NotRegular(rooms.Log, path);
        }
        else if (file.Owner != 0 && file.Owner != user.Uid)
        {
            LocalLog.BadOwner(rooms.Log, path, file.Owner);
        }
        else if ((file.Mode & OthersWrite) != 0)
        {
            LocalLog.WorldWritable(rooms.Log, path);
        }
        else if (file.Errno is Libc.EACCES or Libc.EPERM or Libc.ELOOP or Libc.ENOENT)
        {
            LocalLog.ForwardRead(rooms.Log, path, Errno.Text(file.Errno));
        }
        else if (file.Errno != 0)
        {
            return new ForwardAnswer(Failed(path, file.Errno), null, false, path);
        }
        else if (file.Text is null)
        {
            LocalLog.TooLong(rooms.Log, path, UserFile.Limit);
        }
        else
        {
            return new ForwardAnswer(null, AliasText.ParseFile(file.Text), usesExtension, path);
        }
        return default;
    }
}
