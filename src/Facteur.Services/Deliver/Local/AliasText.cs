using System.Text;

namespace Facteur.Services.Deliver.Local;

/// <summary>What one destination of an alias, a .forward file or an :include: file is.</summary>
internal enum AliasTokenKind : byte
{
    /// <summary>An address, or a bare user name.</summary>
    Address,

    /// <summary>\name: the user's mailbox, without aliases and .forward.</summary>
    User,

    /// <summary>/file/name.</summary>
    File,

    /// <summary>|command.</summary>
    Command,

    /// <summary>:include:/file/name.</summary>
    Include,
}

/// <summary>One destination.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The address, user, file name or command, without its mark.</param>
internal readonly record struct AliasToken(AliasTokenKind Kind, string Text);

/// <summary>
/// Reads destinations as aliases(5) describes them: separated by commas, quoted where they hold separators; "(comments)" go away, of
/// "Name &lt;address&gt;" the address stays, and other words count one by one. Pure; nothing throws; every character is looked at once.
/// </summary>
internal static class AliasText
{
    /// <summary>The destinations of a right-hand side or of one line of a file; a line that begins with "#" has none.</summary>
    public static List<AliasToken> Parse(string text)
    {
        var tokens = new List<AliasToken>();
        if (text.TrimStart().StartsWith('#'))
        {
            return tokens;
        }
        var at = 0;
        var item = new List<string>();
        while (at < text.Length)
        {
            var c = text[at];
            if (c == ',')
            {
                Flush(item, tokens);
                at++;
            }
            else if (char.IsWhiteSpace(c))
            {
                at++;
            }
            else if (c == '(')
            {
                at = SkipComment(text, at);
            }
            else if (c == '<')
            {
                // The words before were the person's name.
                item.Clear();
                var end = text.IndexOf('>', at);
                item.Add(text[(at + 1)..(end < 0 ? text.Length : end)].Trim());
                at = end < 0 ? text.Length : end + 1;
            }
            else
            {
                item.Add(Word(text, ref at));
            }
        }
        Flush(item, tokens);
        return tokens;
    }

    /// <summary>All destinations of a file, line by line.</summary>
    public static List<AliasToken> ParseFile(string text)
    {
        var tokens = new List<AliasToken>();
        foreach (var line in text.Split('\n'))
        {
            tokens.AddRange(Parse(line));
        }
        return tokens;
    }

    private static void Flush(List<string> item, List<AliasToken> tokens)
    {
        foreach (var word in item)
        {
            if (word.Length > 0)
            {
                tokens.Add(Token(word));
            }
        }
        item.Clear();
    }

    private static AliasToken Token(string word)
    {
        const string include = ":include:";
        return word[0] switch
        {
            '/' => new(AliasTokenKind.File, word),
            '|' => new(AliasTokenKind.Command, word[1..].Trim()),
            // An alias file may carry the backslash twice.
            '\\' => new(AliasTokenKind.User, word.TrimStart('\\')),
            ':' when word.StartsWith(include, StringComparison.OrdinalIgnoreCase) => new(AliasTokenKind.Include, word[include.Length..].Trim()),
            _ => new(AliasTokenKind.Address, word),
        };
    }

    /// <summary>
    /// A word: quoted text loses its quotes when it is a file, command or include; in an address they stay (RFC 5321 4.1.2).
    /// </summary>
    private static string Word(string text, ref int at)
    {
        if (text[at] == '|')
        {
            var comma = text.IndexOf(',', at);
            var command = text[at..(comma < 0 ? text.Length : comma)];
            at += command.Length;
            return command;
        }
        var raw = new StringBuilder();
        var plain = new StringBuilder();
        var quoted = false;
        for (; at < text.Length; at++)
        {
            var c = text[at];
            if (c == '"')
            {
                quoted = !quoted;
                raw.Append(c);
            }
            else if (c == '\\' && at + 1 < text.Length && (quoted || text[at + 1] is '"' or ',' or ' '))
            {
                raw.Append(c).Append(text[at + 1]);
                plain.Append(text[++at]);
            }
            else if (!quoted && (c is ',' or '<' or '(' || char.IsWhiteSpace(c)))
            {
                break;
            }
            else
            {
                raw.Append(c);
                plain.Append(c);
            }
        }
        if (quoted)
        {
            raw.Append('"');
        }
        var word = plain.ToString();
        return word.Length > 0 && (word[0] is '/' or '|' || word.StartsWith(":include:", StringComparison.OrdinalIgnoreCase)) ? word : raw is { Length: 2 } && word.Length == 0 ? "" : raw.ToString();
    }

    private static int SkipComment(string text, int at)
    {
        var depth = 0;
        for (; at < text.Length; at++)
        {
            depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
            if (text[at] == '\\')
            {
                at++;
            }
            if (depth == 0)
            {
                return at + 1;
            }
        }
        return text.Length;
    }
}
