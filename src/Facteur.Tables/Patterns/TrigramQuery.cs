namespace Facteur.Tables.Patterns;

/// <summary>What a text must hold to match a pattern: all of some trigrams, and of some lists of alternatives one each.</summary>
/// <param name="all">Trigrams that all must be there.</param>
/// <param name="any">Of each list, all trigrams of one alternative must be there.</param>
/// <param name="onlyAscii">Nothing is said about texts with bytes from 128 on.</param>
internal sealed class TrigramQuery(ushort[] all, ushort[][][] any, bool onlyAscii)
{
    /// <summary>False when the text can't match.</summary>
    public bool MayMatch(scoped in TrigramSet text)
    {
        if (onlyAscii && !text.IsAscii)
        {
            return true;
        }
        if (!HoldsAll(text, all))
        {
            return false;
        }
        foreach (var alternatives in any)
        {
            if (!HoldsOne(text, alternatives))
            {
                return false;
            }
        }
        return true;
    }

    private static bool HoldsOne(scoped in TrigramSet text, ushort[][] alternatives)
    {
        foreach (var alternative in alternatives)
        {
            if (HoldsAll(text, alternative))
            {
                return true;
            }
        }
        return false;
    }

    private static bool HoldsAll(scoped in TrigramSet text, ushort[] trigrams)
    {
        foreach (var trigram in trigrams)
        {
            if (!text.MayHold(trigram))
            {
                return false;
            }
        }
        return true;
    }
}
