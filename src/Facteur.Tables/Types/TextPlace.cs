using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>The line of a table's text in which an entry stands. An index has no lines: they are sought in the text beside it.</summary>
internal static class TextPlace
{
    /// <summary>"file:line" of the first line with this key and value; null when the text has none: the index was made of another text.</summary>
    public static string? Find(TableRequest request, string key, string value)
    {
        var path = request.Argument;
        if (!FileStamp.Of(path).Exists)
        {
            return null;
        }
        try
        {
            var content = TableSource.Read(path);
            var options = request.Options;
            var lines = request.Type != "texthash" && request.Set.IsAliases(request.FullName)
                ? AliasText.Parse(content, path, options.Utf8, Silent.Events)
                : TableText.Parse(content, path, options.Utf8, Silent.Events);
            var folded = KeyFold.Fold(key, options);
            foreach (var entry in lines)
            {
                if (entry.Value == value && KeyFold.Fold(entry.Key, options) == folded)
                {
                    return $"{path}:{entry.Line}";
                }
            }
        }
        catch (TableException)
        {
            // The index is served all the same.
        }
        return null;
    }

    /// <summary>What is wrong with the text was said when it was made into a table.</summary>
    private sealed class Silent : ITableEvents
    {
        public static Silent Events { get; } = new();

        public void Info(string text)
        {
        }

        public void Warning(string text)
        {
        }

        public void Error(string text)
        {
        }
    }
}
