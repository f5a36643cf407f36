namespace Facteur.System.Tests.Parts;

/// <summary>A delivery report taken apart by the rules of RFC 2046 and RFC 3464: its parts, and the fields of its machine-readable part.</summary>
internal sealed class Report
{
    public Report(string message)
    {
        var (header, body) = Split(message);
        Header = Fields(header);
        var type = Header["content-type"];
        Assert.StartsWith("multipart/report", type, StringComparison.Ordinal);
        Assert.Contains("report-type=delivery-status", type, StringComparison.Ordinal);
        var boundary = type.Split("boundary=\"")[1].Split('"')[0];
        var parts = ("\n" + body).Split($"\n--{boundary}");
        Assert.StartsWith("--", parts[^1], StringComparison.Ordinal);
        Parts = [.. parts[1..^1].Select(part => Split(part.TrimStart('\n')))];
        Assert.Equal(3, Parts.Count);
        Assert.StartsWith("text/plain", Fields(Parts[0].Header)["content-type"], StringComparison.Ordinal);
        Assert.StartsWith("message/delivery-status", Fields(Parts[1].Header)["content-type"], StringComparison.Ordinal);
        var groups = Parts[1].Body.Trim('\n').Split("\n\n");
        Message = Fields(groups[0]);
        Recipients = [.. groups[1..].Select(Fields)];
    }

    /// <summary>The header of the report itself, names in lower case.</summary>
    public Dictionary<string, string> Header { get; }

    public IReadOnlyList<(string Header, string Body)> Parts { get; }

    /// <summary>The type of what is attached.</summary>
    public string AttachedType => Fields(Parts[2].Header)["content-type"];

    public string Attached => Parts[2].Body;

    /// <summary>The per-message fields.</summary>
    public Dictionary<string, string> Message { get; }

    /// <summary>The per-recipient fields, one set a recipient.</summary>
    public IReadOnlyList<Dictionary<string, string>> Recipients { get; }

    private static (string Header, string Body) Split(string text)
    {
        var at = text.IndexOf("\n\n", StringComparison.Ordinal);
        return at < 0 ? (text, "") : (text[..at], text[(at + 2)..]);
    }

    private static Dictionary<string, string> Fields(string text)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Replace("\n ", " ", StringComparison.Ordinal).Replace("\n\t", " ", StringComparison.Ordinal).Split('\n'))
        {
            var colon = line.IndexOf(':');
            if (colon > 0)
            {
                fields[line[..colon].ToLowerInvariant()] = line[(colon + 1)..].Trim();
            }
        }
        return fields;
    }
}
