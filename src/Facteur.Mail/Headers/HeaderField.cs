namespace Facteur.Mail.Headers;

/// <summary>Cuts one logical header: field name, colon, value with its continuation lines.</summary>
public static class HeaderField
{
    /// <summary>
    /// Length of the field name when the bytes begin with one, else 0. Printable ASCII without colon; blanks between name and colon
    /// are let pass (RFC 5322 4.5.8).
    /// </summary>
    public static int NameLength(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
        {
            return 0;
        }
        var name = line[..colon].TrimEnd(" \t"u8);
        return name.IsEmpty || name.ContainsAnyExceptInRange((byte)'!', (byte)'~') ? 0 : name.Length;
    }

    /// <summary>What follows the colon, blanks around it taken off; empty when there is no colon.</summary>
    public static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> header)
    {
        var colon = header.IndexOf((byte)':');
        return colon < 0 ? default : header[(colon + 1)..].Trim(" \t\r\n"u8);
    }

    /// <summary>Whether a line is a mailbox separator: "From " behind any number of ">".</summary>
    public static bool IsMailboxLine(ReadOnlySpan<byte> line) => line.TrimStart((byte)'>').StartsWith("From "u8);
}
