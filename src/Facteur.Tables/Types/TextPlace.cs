using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>
/// The lines of a table's text in which its entries stand. An index has no lines: they are sought in the text beside it. It is read when the table is opened: who
/// explains may give up the right to read it before the first question.
/// </summary>
internal sealed class TextPlace
{
    private readonly TableRequest _request;
    private readonly byte[]? _text;
    private ILookup<string, TableEntry>? _entries;

    /// <summary>Reads the text, if there is one.</summary>
    public TextPlace(TableRequest request)
    {
        _request = request;
        try
        {
            _text = FileStamp.Of(request.Argument).Exists ? TableSource.Read(request.Argument) : null;
        }
        catch (TableException)
        {
            // The index is served all the same.
        }
    }

    /// <summary>"file:line" of the first line with this key and value; null when the text has none: the index was made of another text.</summary>
    public string? Find(string key, string value)
    {
        _entries ??= Parse();
        return _entries[KeyFold.Fold(key, _request.Options)].Where(e => e.Value == value).Select(e => $"{_request.Argument}:{e.Line}").FirstOrDefault();
    }

    private ILookup<string, TableEntry> Parse()
    {
        IEnumerable<TableEntry> entries = [];
        try
        {
            entries = _text is null ? [] : _request.Type != "texthash" && _request.Set.IsAliases(_request.FullName)
                ? [.. AliasText.Parse(_text, _request.Argument, _request.Options.Utf8, Silent.Events)]
                : [.. TableText.Parse(_text, _request.Argument, _request.Options.Utf8, Silent.Events)];
        }
        catch (TableException)
        {
            // The index is served all the same.
        }
        return entries.ToLookup(e => KeyFold.Fold(e.Key, _request.Options), StringComparer.Ordinal);
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
