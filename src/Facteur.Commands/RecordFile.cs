namespace Facteur.Commands;

/// <summary>
/// Reads the records of a queue file in Postfix's format, as maildrop holds them and as an older installation left them: a type, a length
/// in groups of seven bits, and so many bytes.
/// </summary>
internal sealed class RecordFile(Stream file)
{
    private const int LengthLimit = 1024 * 1024;

    /// <summary>Offset of the last record read.</summary>
    public long Offset { get; private set; }

    /// <summary>Reads the next record.</summary>
    /// <param name="data">Its bytes.</param>
    /// <param name="error">What is wrong with the file, else null.</param>
    /// <returns>Its type, or '\0' at the end and on errors.</returns>
    public char Read(out byte[] data, out string? error)
    {
        data = [];
        error = null;
        Offset = file.CanSeek ? file.Position : Offset;
        var type = file.ReadByte();
        if (type < 0)
        {
            return '\0';
        }
        var length = 0;
        for (var shift = 0; ; shift += 7)
        {
            var b = file.ReadByte();
            if (b < 0 || shift > 21)
            {
                error = $"unexpected EOF reading length, record type {type}";
                return '\0';
            }
            length |= (b & 0x7f) << shift;
            if (b < 0x80)
            {
                break;
            }
        }
        if (length > LengthLimit)
        {
            error = $"record type {type} with length {length}; expected at most {LengthLimit}";
            return '\0';
        }
        data = new byte[length];
        if (file.ReadAtLeast(data, length, throwOnEndOfStream: false) < length)
        {
            error = $"unexpected EOF in data, record type {type} length {length}";
            return '\0';
        }
        return (char)type;
    }

    /// <summary>The name of a record type as postcat shows it; "L" is one thing in the envelope and another in the content.</summary>
    public static string Name(char type, bool inContent) => type switch
    {
        'C' => "message_size",
        'T' => "message_arrival_time",
        'c' => "queue_file_create_time",
        'A' => "named_attribute",
        'F' => "sender_fullname",
        'I' => "content_inspector",
        'L' when !inContent => "content_filter",
        'L' => "unterminated_text",
        'N' => "regular_text",
        'S' => "sender",
        'R' => "recipient",
        'D' => "done_recipient",
        '/' => "canceled_recipient",
        'O' => "original_recipient",
        '>' => "redirect_to",
        'r' => "return_receipt",
        'e' => "errors_to",
        'f' => "flags",
        'p' => "pointer_record",
        'w' => "padding",
        'K' => "killed_record",
        'P' => "priority",
        'V' => "verp_delimiters",
        'W' => "warning_message_time",
        _ => "unknown_record_type",
    };
}
