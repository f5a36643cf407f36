using System.Text;

namespace Facteur.Config;

/// <summary>How settings are printed: one blank between words; on request lines are broken before column 80 and go on four columns in.</summary>
public static class Folding
{
    /// <summary>The column that a folded line stays before.</summary>
    internal const int Limit = 80;

    /// <summary>What a continuation line starts with.</summary>
    internal const string Indent = "    ";

    /// <summary>A text's words on one line, or folded.</summary>
    public static string Format(string text, bool fold)
    {
        var output = new StringBuilder(text.Length);
        var column = 0;
        foreach (var word in text.Split([' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            column = Append(output, word, column, fold);
        }
        return output.ToString();
    }

    /// <summary>Appends a word after a blank or a line break; gives the new column.</summary>
    internal static int Append(StringBuilder output, string word, int column, bool fold, int limit = Limit)
    {
        if (column > 0 && fold && column + word.Length >= limit)
        {
            output.Append('\n').Append(Indent).Append(word);
            return Indent.Length + word.Length;
        }
        output.Append(column > 0 ? " " : "").Append(word);
        return column + word.Length + (column > 0 ? 1 : 0);
    }
}
