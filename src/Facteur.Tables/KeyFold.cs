namespace Facteur.Tables;

/// <summary>The one way in which keys of fixed-string tables become lower case.</summary>
public static class KeyFold
{
    /// <summary>Folds a key as far as the options say; returns the same string when nothing changes.</summary>
    public static string Fold(string key, TableOptions options) =>
        !options.FoldKeys ? key : options.Utf8 || System.Text.Ascii.IsValid(key) ? key.ToLowerInvariant() : FoldBytes(key);

    // Bytes above 127 mean nothing here: folding them would make another key.
    private static string FoldBytes(string key) =>
        string.Create(key.Length, key, static (folded, source) =>
        {
            for (var i = 0; i < folded.Length; i++)
            {
                folded[i] = char.IsAsciiLetterUpper(source[i]) ? (char)(source[i] | 0x20) : source[i];
            }
        });
}
