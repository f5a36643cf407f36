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

    /// <summary>~/file/name, below the user's home directory.</summary>
    Home,
}

/// <summary>One destination.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The address, user, file name or command, without its mark.</param>
internal readonly record struct AliasToken(AliasTokenKind Kind, string Text);

/// <summary>
/// Reads destinations as aliases(5) describes them: separated by commas, quoted where they hold separators; "(comments)" go away, of
/// "Name &lt;address&gt;" the address stays, of "group: a, b;" the members, and other words count one by one. Pure; nothing throws; every character
/// is looked at once.
/// </summary>
internal static class AliasText
{
    private const string Include = ":include:";

    /// <summary>The destinations of a right-hand side or of one line of a file; a line that begins with "#" has none.</summary>
    public static List<AliasToken> Parse(string text)
    {
        var groups = new Groups(text);
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
            if (c is ',' or ';')
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
            else if (c == ':' && item.Count > 0 && groups.EndsName(at))
            {
                // RFC 5322 3.4: the words before were a group's name.
                item.Clear();
                at++;
            }
            else
            {
                item.Add(Word(text, ref at, ref groups));
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
        return word[0] switch
        {
            '/' => new(AliasTokenKind.File, word),
            '|' => new(AliasTokenKind.Command, word[1..].Trim()),
            '~' => new(AliasTokenKind.Home, word),
            // An alias file may carry the backslash twice.
            '\\' => new(AliasTokenKind.User, word.TrimStart('\\')),
            ':' when word.StartsWith(Include, StringComparison.OrdinalIgnoreCase) => new(AliasTokenKind.Include, word[Include.Length..].Trim()),
            _ => new(AliasTokenKind.Address, word),
        };
    }

    /// <summary>
    /// A word: quoted text loses its quotes when it is a file, command, include or \name; in an address they stay (RFC 5321 4.1.2).
    /// </summary>
    private static string Word(string text, ref int at, ref Groups groups)
    {
        var first = at;
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
            else if (!quoted && (c is ',' or ';' or '<' or '(' || char.IsWhiteSpace(c) || (c == ':' && at > first && text[first] != ':' && groups.EndsName(at))))
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
        // postalias writes \\name, a mailbox without aliases, between quotes.
        return word.Length > 0 && (word[0] is '/' or '|' or '~' || (word[0] == '\\' && !word.Contains('@')) || word.StartsWith(Include, StringComparison.OrdinalIgnoreCase)) ? word : raw is { Length: 2 } && word.Length == 0 ? "" : raw.ToString();
    }

    /// <summary>Finds where groups end. What it has found is kept, so that every character is looked at once, however many colons there are.</summary>
    private ref struct Groups(string text)
    {
        private int _end = -1;
        private int _quote = -1;

        /// <summary>Whether a colon ends the name of a group: its end comes later, and no quoted text before it.</summary>
        public bool EndsName(int colon)
        {
            if (string.CompareOrdinal(text, colon, Include, 0, Include.Length) == 0)
            {
                return false;
            }
            _end = Next(_end, ';', colon);
            _quote = Next(_quote, '"', colon);
            return _end < text.Length && _end < _quote;
        }

        private readonly int Next(int known, char what, int from) =>
            known >= from ? known : text.IndexOf(what, from) is >= 0 and var found ? found : text.Length;
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
