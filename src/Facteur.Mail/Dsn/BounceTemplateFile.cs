using System.Text;

namespace Facteur.Mail.Dsn;

/// <summary>
/// Reads the text of a bounce_template_file (bounce(5)): "name = &lt;&lt;EOF", header lines, an empty line, the introduction, "EOF".
/// A template without an empty line after its headers, or with a first line that is no known header, is all introduction.
/// </summary>
public static class BounceTemplateFile
{
    /// <summary>Reads all templates of a file.</summary>
    /// <param name="text">The file.</param>
    /// <param name="templates">The templates found, in the order of the file; a name given twice keeps its last.</param>
    /// <returns>Null, or "line N: what was wrong and what was expected".</returns>
    public static string? TryParse(string text, out List<BounceTemplate> templates)
    {
        templates = [];
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        for (var at = 0; at < lines.Length; at++)
        {
            var line = lines[at].Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            var value = equals < 0 ? "" : line[(equals + 1)..].Trim();
            if (!value.StartsWith("<<", StringComparison.Ordinal) || value[2..].Trim() is not { Length: > 0 } marker)
            {
                return $"line {at + 1}: expected \"template_name = <<EOF\", found \"{line}\"";
            }
            if (Kind(line[..equals].Trim()) is not { } kind)
            {
                return $"line {at + 1}: unknown template \"{line[..equals].Trim()}\"; expected failure_template, delay_template, success_template or verify_template";
            }
            var start = at + 1;
            var end = Array.IndexOf(lines, marker, start);
            if (end < 0)
            {
                return $"line {at + 1}: template \"{line[..equals].Trim()}\" is not ended by a line \"{marker}\"";
            }
            if (ParseBody(BounceTemplate.BuiltIn(kind), lines.AsSpan(start, end - start), start + 1, out var template) is { } wrong)
            {
                return wrong;
            }
            templates.Add(template);
            at = end;
        }
        return null;
    }

    private static BounceTemplateKind? Kind(string name)
    {
        for (var kind = BounceTemplateKind.Failure; kind <= BounceTemplateKind.Verify; kind++)
        {
            if (name == BounceTemplate.NameOf(kind))
            {
                return kind;
            }
        }
        return null;
    }

    private static string? ParseBody(BounceTemplate start, ReadOnlySpan<string> lines, int number, out BounceTemplate template)
    {
        template = start;
        var at = 0;
        while (at < lines.Length && lines[at].Length > 0)
        {
            var line = lines[at];
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var name = colon < 0 ? "" : line[..colon].TrimEnd();
            if (at == 0 && (colon < 0 || name.Contains(' ', StringComparison.Ordinal)))
            {
                break;
            }
            var value = line[(colon + 1)..].Trim();
            if (value.Length == 0 || !Ascii.IsValid(value) || value.Contains('\0', StringComparison.Ordinal))
            {
                return $"line {number + at}: expected \"header: text\" in ASCII on one line, found \"{line}\"";
            }
            if (With(template, name, value) is not { } changed)
            {
                return $"line {number + at}: unknown header \"{line}\"; expected Charset, From, Subject or Postmaster-Subject, then an empty line";
            }
            template = changed;
            at++;
        }
        // The empty line that ends the headers is not part of the text.
        var text = at > 0 && at < lines.Length ? lines[(at + 1)..] : lines[at..];
        var body = string.Join('\n', text.ToArray()) + "\n";
        if (text.IsEmpty)
        {
            return $"line {number}: the template has no text";
        }
        if (!Ascii.IsValid(body) && template.Charset.Equals("us-ascii", StringComparison.OrdinalIgnoreCase))
        {
            return $"line {number}: the template's text is not ASCII: expected a \"Charset:\" header that covers it, such as utf-8";
        }
        template = template with { Text = body };
        return null;
    }

    private static BounceTemplate? With(BounceTemplate template, string name, string value) =>
        name.Equals("Charset", StringComparison.OrdinalIgnoreCase) ? template with { Charset = value }
        : name.Equals("From", StringComparison.OrdinalIgnoreCase) ? template with { From = value, OwnFrom = true }
        : name.Equals("Subject", StringComparison.OrdinalIgnoreCase) ? template with { Subject = value }
        : name.Equals("Postmaster-Subject", StringComparison.OrdinalIgnoreCase) ? template with { PostmasterSubject = value }
        : null;
}
