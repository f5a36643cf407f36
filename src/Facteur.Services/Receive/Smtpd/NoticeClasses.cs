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

    /// <summary>No room, nothing can be written.</summary>
    Resource = 8,

    /// <summary>A fault of ours or of the configuration.</summary>
    Software = 16,

    /// <summary>A table can't answer.</summary>
    Data = 32,
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
                "data" => NoticeClasses.Data,
                "software" => NoticeClasses.Software,
                _ => NoticeClasses.None,
            };
        }
        return classes;
    }

    /// <summary>The class of a reply that no restriction gave; none of one that does not refuse.</summary>
    /// <param name="reply">The reply.</param>
    public static NoticeClasses Of(string reply) =>
        // Postfix: nobody is told of ETRN for a domain that is not served, nor of DATA or BDAT for nobody: the refusals before it were told.
        reply[0] is not ('4' or '5') || reply is SmtpdReplies.NoValidRecipients || reply.StartsWith("459 ", StringComparison.Ordinal) ? NoticeClasses.None
        : reply is SmtpdReplies.WriteError or SmtpdReplies.NoSpace or SmtpdReplies.LookupError ? NoticeClasses.Resource
        : reply == SmtpdReplies.Internal || reply.StartsWith("421 4.3.5 ", StringComparison.Ordinal) ? NoticeClasses.Software
        : reply is SmtpdReplies.TooLarge or SmtpdReplies.TooManyHops ? NoticeClasses.Bounce
        : IsPolicy(reply) ? NoticeClasses.Policy
        : NoticeClasses.Protocol;

    private static bool IsPolicy(string reply) =>
        reply is SmtpdReplies.VrfyDisabled or SmtpdReplies.TooManyRecipients or SmtpdReplies.SizeNotPossible
        // RFC 3463 3.8: x.7.x is security and policy.
        || (reply.Length > 8 && reply[5] == '.' && reply[6] == '7' && reply[0] != '2')
        || reply.StartsWith("552 5.3.4 ", StringComparison.Ordinal);
}
