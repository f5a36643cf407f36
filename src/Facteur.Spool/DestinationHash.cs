using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>
/// A 32-bit mark of a message's destination kept in the index, so that "flush by destination" is a question to the index.
/// One domain: FNV-1a of it in lower case, never 0 or 1. Several domains: 1 (the envelope must be read). None: 0.
/// </summary>
public static class DestinationHash
{
    /// <summary>Several domains.</summary>
    public const uint Several = 1;

    /// <summary>The mark of one domain.</summary>
    public static uint Of(ReadOnlySpan<char> domain)
    {
        var hash = 2166136261u;
        foreach (var c in domain)
        {
            hash = (hash ^ char.ToLowerInvariant(c)) * 16777619u;
        }
        return hash <= Several ? hash + 2 : hash;
    }

    /// <summary>The mark of an envelope.</summary>
    public static uint Of(Envelope envelope)
    {
        uint mark = 0;
        for (var i = 0; i < envelope.Recipients.Count && !envelope.Recipients[i].IsExpanded; i++)
        {
            var address = envelope.Recipients[i].Address.AsSpan();
            var next = Of(address[(address.LastIndexOf('@') + 1)..]);
            if (mark != 0 && mark != next)
            {
                return Several;
            }
            mark = next;
        }
        return mark;
    }
}
