using System.Text;

namespace Facteur.Tables.Text;

/// <summary>
/// The text that postalias reads (aliases(5)): "name: value, value". It is cut into the tokens of RFC 822: the name is stored unquoted,
/// the value in external form with one space after each comma.
/// </summary>
public static class AliasText
{
    private enum Kind : byte
    {
        Atom,
        Quoted,
        Comment,
        Literal,
        Special,
    }

    private readonly record struct Token(Kind Kind, string Text)
    {
        public bool Is(char c) => Kind == Kind.Special && Text[0] == c;
    }

    /// <summary>The entries; lines that are none are told and left out.</summary>
    /// <param name="content">The bytes of the file.</param>
    /// <param name="path">Its name, for warnings.</param>
    /// <param name="utf8">Lines must be UTF-8.</param>
    /// <param name="events">Where warnings go.</param>
    public static IEnumerable<TableEntry> Parse(ReadOnlyMemory<byte> content, string path, bool utf8, ITableEvents events)
    {
        foreach (var (line, text) in LogicalLines.Read(content, path, utf8, events))
        {
            var tokens = Scan(text);
            var colon = tokens.FindIndex(t => t.Is(':'));
            var name = colon < 0 ? [] : tokens[..colon];
            if (colon <= 0 || colon == tokens.Count - 1 || name.Exists(t => t.Is(',')))
            {
                events.Warning($"{path}, line {line}: need name:value pair");
                continue;
            }
            if (name.Exists(t => t.Is('@') || (t.Kind == Kind.Atom && t.Text.Contains('%'))))
            {
                events.Warning($"{path}, line {line}: name must be local and have no domain");
                continue;
            }
            yield return new TableEntry(line, Join(name, external: false), Join(tokens[(colon + 1)..], external: true));
        }
    }

    private static List<Token> Scan(string text)
    {
        var tokens = new List<Token>();
        for (var at = 0; at < text.Length;)
        {
            if (LogicalLines.IsSpace(text[at]))
            {
                at++;
                continue;
            }
            var kind = text[at] switch { '"' => Kind.Quoted, '(' => Kind.Comment, '[' => Kind.Literal, _ => IsSpecial(text[at]) ? Kind.Special : Kind.Atom };
            var end = kind switch
            {
                Kind.Quoted => EndOf(text, at, '"', '"'),
                Kind.Comment => EndOf(text, at, '(', ')'),
                Kind.Literal => EndOf(text, at, '[', ']'),
                Kind.Special => at + 1,
                _ => EndOfAtom(text, at),
            };
            tokens.Add(new Token(kind, text[at..end]));
            at = end;
        }
        return tokens;
    }

    private static bool IsSpecial(char c) => c is '<' or '>' or '@' or '|' or ',' or ';' or ':' or '.' or ')' or ']';

    private static int EndOf(string text, int at, char open, char close)
    {
        var depth = 1;
        for (at++; at < text.Length; at++)
        {
            if (text[at] == '\\')
            {
                at++;
            }
            else if (text[at] == close)
            {
                if (--depth == 0)
                {
                    return at + 1;
                }
            }
            else if (text[at] == open)
            {
                depth++;
            }
        }
        return text.Length;
    }

    private static int EndOfAtom(string text, int at)
    {
        while (at < text.Length && !LogicalLines.IsSpace(text[at]) && !IsSpecial(text[at]) && text[at] is not ('"' or '(' or '['))
        {
            at += text[at] == '\\' && at + 1 < text.Length ? 2 : 1;
        }
        return at;
    }

    private static string Join(List<Token> tokens, bool external)
    {
        var text = new StringBuilder();
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            // Postfix: a space stands between words, however they were written, after a comma, and before <.
            if (i > 0 && (tokens[i - 1].Is(',') || token.Is('<') || (token.Kind != Kind.Special && tokens[i - 1].Kind != Kind.Special)))
            {
                text.Append(' ');
            }
            if (token.Kind is Kind.Quoted or Kind.Atom && !(external && token.Kind == Kind.Quoted))
            {
                AppendUnquoted(text, token, external);
            }
            else
            {
                text.Append(token.Text).Append(token.Kind == Kind.Quoted && (token.Text.Length == 1 || token.Text[^1] != '"') ? "\"" : "");
            }
        }
        return text.ToString();
    }

    // Postfix: what a backslash has made part of a word stands between quotes in the external form, where it would be something else: a file's name with a space.
    private static void AppendUnquoted(StringBuilder text, Token token, bool external)
    {
        var start = text.Length;
        for (var i = 0; i < token.Text.Length; i++)
        {
            var escaped = token.Text[i] == '\\';
            i += escaped ? 1 : 0;
            if (i < token.Text.Length && (escaped || token.Kind != Kind.Quoted || token.Text[i] != '"'))
            {
                text.Append(token.Text[i]);
            }
        }
        var word = text.ToString(start, text.Length - start);
        if (external && token.Text.Contains('\\') && word.Any(c => LogicalLines.IsSpace(c) || IsSpecial(c) || c is '"' or '\\' or '(' or '['))
        {
            text.Length = start;
            text.Append('"');
            foreach (var c in word)
            {
                _ = c is '"' or '\\' ? text.Append('\\').Append(c) : text.Append(LogicalLines.IsSpace(c) ? ' ' : c);
            }
            text.Append('"');
        }
    }
}
