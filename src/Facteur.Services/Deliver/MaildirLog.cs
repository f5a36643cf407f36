using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>What local and virtual say about Maildirs.</summary>
internal static class MaildirLog
{
    /// <summary>Permission denied is the one failure that the administrator has to mend outside: Postfix says in whose name it was tried.</summary>
    /// <param name="log">The agent's log.</param>
    /// <param name="failure">What came of the delivery.</param>
    /// <param name="uid">In whose name.</param>
    /// <param name="gid">With whose group.</param>
    public static void Problem(ServiceLog log, DeliveryStatus? failure, uint uid, uint gid)
    {
        if (failure is { Reason: var reason } && reason.EndsWith($": {Errno.Text(Libc.EACCES)}", StringComparison.Ordinal))
        {
            log.Warning($"maildir access problem for UID/GID={uid}/{gid}: {reason.Replace(Maildir.FailedWords, "", StringComparison.Ordinal)}");
            log.Warning("perhaps you need to create the maildirs in advance");
        }
    }
}
