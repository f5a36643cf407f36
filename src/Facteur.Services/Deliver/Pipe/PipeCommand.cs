using System.Globalization;
using System.Text;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>flags= of a pipe service: what is put around a message, and what is done to addresses on the command line.</summary>
[Flags]
internal enum PipeFlags : ushort
{
    None = 0,

    /// <summary>B: an empty line at the end.</summary>
    BlankLine = 1,

    /// <summary>D: a Delivered-To header.</summary>
    DeliveredTo = 2,

    /// <summary>F: a "From " line.</summary>
    FromLine = 4,

    /// <summary>O: an X-Original-To header.</summary>
    OriginalTo = 8,

    /// <summary>R: a Return-Path header.</summary>
    ReturnPath = 16,

    /// <summary>X: the command is the end of the way.</summary>
    Final = 32,

    /// <summary>h: domains in lower case.</summary>
    FoldDomain = 64,

    /// <summary>q: local parts quoted.</summary>
    Quote = 128,

    /// <summary>u: local parts in lower case.</summary>
    FoldLocal = 256,

    /// <summary>.: a dot in front of lines that begin with one.</summary>
    Dot = 512,

    /// <summary>&gt;: "&gt;" in front of lines that begin with "From ".</summary>
    QuoteFrom = 1024,
}

/// <summary>The attributes of one pipe service of master.cf (pipe(8), "command attribute syntax").</summary>
internal sealed record PipeCommand
{
    // In the order of the flags' bits.
    private const string Letters = "BDFORXhqu.>";

    /// <summary>flags=.</summary>
    public PipeFlags Flags { get; private init; }

    /// <summary>user=, as written: user or user:group.</summary>
    public string User { get; private init; } = "";

    /// <summary>chroot=, or "".</summary>
    public string Root { get; private init; } = "";

    /// <summary>directory=, or "".</summary>
    public string Directory { get; private init; } = "";

    /// <summary>eol=.</summary>
    public string EndOfLine { get; private init; } = "\n";

    /// <summary>null_sender=.</summary>
    public string NullSender { get; private init; } = "MAILER-DAEMON";

    /// <summary>size= in bytes; 0 for no limit.</summary>
    public long SizeLimit { get; private init; }

    /// <summary>argv=, with its macros.</summary>
    public IReadOnlyList<string> Arguments { get; private init; } = [];

    /// <summary>Whether a flag is there.</summary>
    public bool Has(PipeFlags flag) => (Flags & flag) != 0;

    /// <summary>Reads a service's arguments.</summary>
    /// <param name="arguments">What follows "pipe" in master.cf, without -o.</param>
    /// <param name="error">What is wrong with them, or null.</param>
    public static PipeCommand? Parse(IReadOnlyList<string> arguments, out string? error)
    {
        var command = new PipeCommand();
        error = null;
        for (var i = 0; i < arguments.Count && command.Arguments.Count == 0; i++)
        {
            var equal = arguments[i].IndexOf('=', StringComparison.Ordinal);
            var value = arguments[i][(equal + 1)..];
            switch (equal < 0 ? "" : arguments[i][..equal])
            {
                case "flags":
                    var flags = command.Flags; // Postfix: a second flags= adds to the first
                    foreach (var letter in value)
                    {
                        var bit = Letters.IndexOf(letter, StringComparison.Ordinal);
                        error ??= bit < 0 ? $"unknown flag: {letter}" : null;
                        flags |= bit < 0 ? 0 : (PipeFlags)(1 << bit);
                    }
                    command = command with { Flags = flags };
                    break;
                case "user":
                    command = command with { User = value };
                    break;
                case "chroot":
                    error ??= value.StartsWith('/') ? null : $"chroot= command-line attribute: \"{value}\" is not an absolute path";
                    command = command with { Root = value };
                    break;
                case "directory":
                    command = command with { Directory = value };
                    break;
                case "eol":
                    command = command with { EndOfLine = Unescape(value) };
                    break;
                case "null_sender":
                    command = command with { NullSender = value };
                    break;
                case "size":
                    var isNumber = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var limit);
                    error ??= isNumber ? null : $"bad size limit \"{value}\"";
                    command = command with { SizeLimit = limit };
                    break;
                case "argv":
                    command = command with { Arguments = [value, .. arguments.Skip(i + 1)] };
                    break;
                default:
                    error ??= $"unknown attribute name: {arguments[i]}";
                    break;
            }
        }
        error ??= command.User.Length == 0 ? "missing user= command-line attribute"
            : command.Arguments is [] or [""] ? "missing argv= command-line attribute" : null;
        return error is null ? command : null;
    }

    /// <summary>C's escapes: \a \b \f \n \r \t \v \ddd \\; a backslash before anything else is that.</summary>
    internal static string Unescape(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }
            i++;
            var named = "abfnrtv".IndexOf(text[i], StringComparison.Ordinal);
            if (named >= 0)
            {
                result.Append("\a\b\f\n\r\t\v"[named]);
            }
            else if (text[i] is >= '0' and <= '7')
            {
                var (value, end) = (0, Math.Min(i + 3, text.Length));
                for (; i < end && text[i] is >= '0' and <= '7'; i++)
                {
                    value = (value * 8) + text[i] - '0';
                }
                i--;
                result.Append((char)(value & 0xff));
            }
            else
            {
                result.Append(text[i]);
            }
        }
        return result.ToString();
    }
}
