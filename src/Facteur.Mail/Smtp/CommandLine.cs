namespace Facteur.Mail.Smtp;

/// <summary>What a token of a command line is.</summary>
public enum TokenKind : byte
{
    /// <summary>A word.</summary>
    Other = 0,

    /// <summary>Contains &lt;...&gt;.</summary>
    Address = 1,

    /// <summary>A quote, bracket or angle bracket is not closed.</summary>
    Error = 2,
}

/// <summary>A token of a command line, with its quotes and brackets.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text.</param>
public readonly record struct CommandToken(TokenKind Kind, string Text)
{
    /// <summary>Compares a protocol word, in any case.</summary>
    public bool Is(string word) => Text.Equals(word, StringComparison.OrdinalIgnoreCase);

    /// <summary>The text after "NAME=", or null.</summary>
    public string? Value(string prefix) => Text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? Text[prefix.Length..] : null;
}

/// <summary>
/// Cuts an SMTP command line into tokens (Postfix: smtpd_token). White space separates, except inside &lt;&gt;, [] and quotes; a colon ends a token,
/// so that "FROM:" stands alone before its path.
/// </summary>
public static class CommandLine
{
    /// <summary>Cuts a line, without its line end.</summary>
    /// <param name="line">The line.</param>
    /// <param name="tokens">Cleared, then filled.</param>
    public static void Tokenize(string line, List<CommandToken> tokens)
    {
        tokens.Clear();
        var at = 0;
        while (true)
        {
            while (at < line.Length && IsSpace(line[at]))
            {
                at++;
            }
            if (at >= line.Length)
            {
                return;
            }
            tokens.Add(Next(line, ref at));
        }
    }

    /// <summary>Whether a token looks like the name of a message header: "Label:".</summary>
    public static bool IsHeaderLabel(string token) => token.Length > 1 && token.IndexOf(':') == token.Length - 1 && !token.AsSpan().ContainsAnyExceptInRange('!', '~');

    private static CommandToken Next(string line, ref int at)
    {
        var start = at;
        var kind = TokenKind.Other;
        while (at < line.Length && !IsSpace(line[at]))
        {
            var c = line[at++];
            if (c == ':')
            {
                break;
            }
            if (c is '<' or '"' or '[')
            {
                kind = c == '<' && kind == TokenKind.Other ? TokenKind.Address : kind;
                if (!SkipQuoted(line, ref at, c switch { '<' => '>', '[' => ']', _ => '"' }))
                {
                    kind = TokenKind.Error;
                }
            }
        }
        return new CommandToken(kind, line[start..at]);
    }

    // Inside angle brackets a quoted string may hold '>' (RFC 5321 4.1.2).
    private static bool SkipQuoted(string line, ref int at, char close)
    {
        var inString = close == '"';
        while (at < line.Length)
        {
            var c = line[at++];
            if (c == '\\' && at < line.Length)
            {
                at++;
            }
            else if (c == close && (close == '"' || !inString))
            {
                return true;
            }
            else if (c == '"' && close == '>')
            {
                inString = !inString;
            }
        }
        return false;
    }

    private static bool IsSpace(char c) => c is ' ' or (>= '\t' and <= '\r');
}
