using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Headers;

namespace Facteur.Commands;

/// <summary>
/// Finds the recipients of "sendmail -t" in the lines of a header: To, Cc and Bcc, or only their Resent- forms when there is one.
/// A header beyond the limit makes the message one whose recipients are not all known.
/// </summary>
internal sealed class SendmailHeaders(int sizeLimit)
{
    private readonly AddressList _list = new();
    private readonly List<byte> _header = [];
    private readonly List<string> _recipients = [];
    private readonly List<string> _resent = [];
    private bool _isResent;

    /// <summary>Header lines may follow; a text that begins otherwise has none.</summary>
    public bool InHeader { get; private set; } = true;

    /// <summary>A header is longer than the limit.</summary>
    public bool TooLong { get; private set; }

    /// <summary>What was found.</summary>
    public IReadOnlyList<string> Recipients => _isResent ? _resent : _recipients;

    /// <summary>Takes a line without its end.</summary>
    public void Line(ReadOnlySpan<byte> line)
    {
        if (!InHeader)
        {
            return;
        }
        var continues = line.Length > 0 && line[0] is (byte)' ' or (byte)'\t';
        if (!continues || _header.Count == 0)
        {
            Flush();
            if (HeaderField.NameLength(line) <= 0)
            {
                InHeader = false;
                return;
            }
        }
        else
        {
            _header.Add((byte)'\n');
        }
        Add(line);
    }

    /// <summary>Takes more of the last line.</summary>
    public void More(ReadOnlySpan<byte> part)
    {
        if (InHeader && _header.Count > 0)
        {
            Add(part);
        }
    }

    // Postfix: what goes on at the limit is too long.
    private void Add(ReadOnlySpan<byte> text)
    {
        TooLong |= _header.Count >= sizeLimit;
        _header.AddRange(TooLong ? [] : text);
    }

    /// <summary>The message ended.</summary>
    public void End()
    {
        if (InHeader)
        {
            Flush();
        }
    }

    /// <summary>The addresses of a list such as a command line's operand.</summary>
    public IEnumerable<string> Addresses(string text) => Addresses(Encoding.UTF8.GetBytes(text));

    private List<string> Addresses(ReadOnlySpan<byte> value)
    {
        var found = new List<string>();
        // Postfix: a header's text ends at a NUL.
        value = value.IndexOf((byte)0) is >= 0 and var nul ? value[..nul] : value;
        // Postfix: header_address_token_limit is cleanup's; here it would leave recipients out.
        _list.Parse(value, int.MaxValue);
        foreach (var token in _list.Tokens)
        {
            var text = value.Slice(token.Start, token.Length);
            // RFC 5322 4.4: a route in front of an address is dropped.
            text = text is [(byte)'@', ..] && text.IndexOf((byte)':') is > 0 and var colon ? text[(colon + 1)..] : text;
            if (token.Kind == AddressTokenKind.Address && Text(text) is { Length: > 0 } address)
            {
                // Postfix: a local part that is empty is written so.
                found.Add(address[0] == '@' && !address.Contains(':') ? $"\"\"{address}" : address);
            }
        }
        return found;
    }

    // What is no UTF-8 is no address, but its sender must hear of it.
    private static string? Text(ReadOnlySpan<byte> address) => AddressList.AddressText(address) ?? AddressList.AddressText(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(address)));

    private void Flush()
    {
        if (_header.Count == 0)
        {
            return;
        }
        ReadOnlySpan<byte> header = _header.ToArray();
        _header.Clear();
        KnownHeaders.Find(header[..HeaderField.NameLength(header)], out var traits);
        // Postfix: only a header that names recipients, empty or not, makes those of the others count no more.
        _isResent |= traits.HasFlag(HeaderTraits.Resent | HeaderTraits.Extract);
        if (traits.HasFlag(HeaderTraits.Extract))
        {
            (traits.HasFlag(HeaderTraits.Resent) ? _resent : _recipients).AddRange(Addresses(HeaderField.Value(header)));
        }
    }
}
