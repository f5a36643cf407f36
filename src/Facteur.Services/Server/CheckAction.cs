using System.Text;

namespace Facteur.Services.Server;

/// <summary>What a rule of header_checks(5) says is to be done.</summary>
internal enum CheckVerb : byte
{
    Unknown = 0,
    Bcc,
    Discard,
    Dunno,
    Filter,
    Hold,
    Ignore,
    Info,
    Pass,
    Prepend,
    Redirect,
    Reject,
    Replace,
    Strip,
    Warn,
}

/// <summary>The result of a rule of header_checks(5): a word in any case, and text behind it.</summary>
/// <param name="Verb">What the word means.</param>
/// <param name="Value">The whole result; a character is a byte.</param>
/// <param name="Text">What stands behind the word; a character is a byte.</param>
internal readonly record struct CheckAction(CheckVerb Verb, string Value, string Text)
{
    /// <summary>As people read it: UTF-8, with ? for what is not.</summary>
    public string Words => CheckText.Readable(Text);

    /// <summary>Its bytes.</summary>
    public byte[] Bytes => Encoding.Latin1.GetBytes(Text);

    /// <summary>Reads the result of a rule.</summary>
    public static CheckAction Parse(string value)
    {
        var end = value.AsSpan().IndexOfAny(' ', '\t');
        var word = end < 0 ? value : value[..end];
        var verb = word.ToUpperInvariant() switch
        {
            "BCC" => CheckVerb.Bcc,
            "DISCARD" => CheckVerb.Discard,
            // Postfix: OK is from before there was DUNNO, and no more than that.
            "DUNNO" or "OK" => CheckVerb.Dunno,
            "FILTER" => CheckVerb.Filter,
            "HOLD" => CheckVerb.Hold,
            "IGNORE" => CheckVerb.Ignore,
            "INFO" => CheckVerb.Info,
            "PASS" => CheckVerb.Pass,
            "PREPEND" => CheckVerb.Prepend,
            "REDIRECT" => CheckVerb.Redirect,
            "REJECT" => CheckVerb.Reject,
            "REPLACE" => CheckVerb.Replace,
            "STRIP" => CheckVerb.Strip,
            "WARN" => CheckVerb.Warn,
            _ => CheckVerb.Unknown,
        };
        return new CheckAction(verb, value, end < 0 ? "" : value[end..].TrimStart(' ', '\t', '\r', '\n', '\v', '\f'));
    }
}
