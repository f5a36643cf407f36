using Facteur.Config;

namespace Facteur.Tables.Patterns;

/// <summary>The words "if" and "endif" at the start of a rule.</summary>
internal static class RuleWords
{
    /// <summary>Takes a word, in any case, that no letter or digit follows; the rest is trimmed.</summary>
    public static bool TryTake(string text, string word, out string rest)
    {
        rest = "";
        if (!text.StartsWith(word, StringComparison.OrdinalIgnoreCase) || (text.Length > word.Length && char.IsAsciiLetterOrDigit(text[word.Length])))
        {
            return false;
        }
        rest = Spaces.Trim(text[word.Length..]);
        return true;
    }

    /// <summary>Takes any number of "!" and the white space after each; true when they are odd.</summary>
    public static bool TakeNot(ref string text)
    {
        var negated = false;
        while (text is ['!', ..])
        {
            negated = !negated;
            text = Spaces.TrimStart(text[1..]);
        }
        return negated;
    }
}
