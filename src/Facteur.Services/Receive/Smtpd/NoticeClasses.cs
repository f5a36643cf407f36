using Facteur.Config;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>notify_classes as far as smtpd knows causes for them (postconf(5)).</summary>
[Flags]
internal enum NoticeClasses : byte
{
    None = 0,

    /// <summary>Mail for somebody who does not exist, too large, or going in circles.</summary>
    Bounce = 1,

    /// <summary>Refused by a rule.</summary>
    Policy = 2,

    /// <summary>Commands out of order, unknown, or malformed.</summary>
    Protocol = 4,

    /// <summary>No room, no answer from a table, nothing can be written.</summary>
    Resource = 8,

    /// <summary>A fault of ours or of the configuration.</summary>
    Software = 16,
}

/// <summary>Which class a refusal belongs to.</summary>
internal static class NoticeClass
{
    /// <summary>Reads notify_classes; names that are not smtpd's are bounce(8)'s.</summary>
    public static NoticeClasses Parse(string value)
    {
        var classes = NoticeClasses.None;
        foreach (var word in ListSyntax.Split(value))
        {
            classes |= word.ToLowerInvariant() switch
            {
                "bounce" => NoticeClasses.Bounce,
                "policy" => NoticeClasses.Policy,
                "protocol" => NoticeClasses.Protocol,
                "resource" => NoticeClasses.Resource,
                "software" => NoticeClasses.Software,
                _ => NoticeClasses.None,
            };
        }
        return classes;
    }

    /// <summary>The class of a reply that refuses; none of another.</summary>
    /// <param name="reply">The reply.</param>
    /// <param name="byRule">A restriction gave it.</param>
    /// <param name="unlisted">That restriction was about an address that nobody has.</param>
    public static NoticeClasses Of(string reply, bool byRule, bool unlisted) =>
        reply[0] is not ('4' or '5') && reply != SmtpdReplies.Forbidden ? NoticeClasses.None
        : reply.Contains("Temporary lookup failure", StringComparison.Ordinal) || reply is SmtpdReplies.WriteError or SmtpdReplies.NoSpace or SmtpdReplies.LookupError ? NoticeClasses.Resource
        : reply.Contains("Server configuration error", StringComparison.Ordinal) || reply == SmtpdReplies.Internal ? NoticeClasses.Software
        : (byRule && unlisted) || reply is SmtpdReplies.TooLarge or SmtpdReplies.TooManyHops ? NoticeClasses.Bounce
        // Postfix: whatever a rule says, also of malformed names, is policy.
        : byRule || IsPolicy(reply) ? NoticeClasses.Policy
        : NoticeClasses.Protocol;

    private static bool IsPolicy(string reply) =>
        reply is SmtpdReplies.VrfyDisabled or SmtpdReplies.TooManyRecipients or SmtpdReplies.SizeNotPossible
        // RFC 3463 3.8: x.7.x is security and policy.
        || (reply.Length > 8 && reply[5] == '.' && reply[6] == '7' && reply[0] != '2')
        || reply.StartsWith("552 5.3.4 ", StringComparison.Ordinal);
}
