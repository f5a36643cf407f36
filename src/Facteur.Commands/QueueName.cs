using Facteur.Mail.Envelopes;

namespace Facteur.Commands;

/// <summary>Names of queues and messages as operators type them.</summary>
internal static class QueueName
{
    /// <summary>Directories postsuper accepts; those of log files hold nothing here.</summary>
    public static readonly string[] All = ["maildrop", "incoming", "active", "deferred", "hold", "bounce", "defer", "trace", "flush", "corrupt"];

    /// <summary>Whether a text can be a queue id in Postfix: letters, digits and "_".</summary>
    public static bool IsId(string text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
            {
                return false;
            }
        }
        return text.Length is > 0 and <= QueueId.LengthLimit;
    }

    /// <summary>The number of a queue id. One that is well formed but no number of ours is a message that does not exist: number 0.</summary>
    public static bool TryId(string text, out ulong id)
    {
        id = 0;
        if (!IsId(text))
        {
            return false;
        }
        if (!QueueId.TryParse(text, out id))
        {
            id = 0;
        }
        return true;
    }
}
