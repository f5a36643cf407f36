using System.Text;
using Facteur.Mail.Headers;
using Facteur.Mail.Mime;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// detect_8bit_encoding_header: a header of the message or of any of its parts that says 8bit overrules what MAIL said. Only what may have parts is read through.
/// </summary>
/// <param name="limits">What is kept.</param>
/// <param name="structure">Parts are looked for.</param>
internal sealed class EightBitDetector(MimeLimits limits, bool structure) : IDisposable
{
    private byte[]? _type;
    private MimeScanner? _parts;

    private static ReadOnlySpan<byte> Encoding => "Content-Transfer-Encoding"u8;

    private static ReadOnlySpan<byte> Type => "Content-Type"u8;

    /// <summary>A header says that the content is 8bit.</summary>
    public bool Found { get; private set; }

    /// <summary>Takes a header of the message, or of a part that somebody else found.</summary>
    public void Header(ReadOnlySpan<byte> header)
    {
        var name = header[..HeaderField.NameLength(header)];
        if (Ascii.EqualsIgnoreCase(name, Encoding))
        {
            // Postfix: the value as it stands; binary counts as 8bit, though it is more.
            var value = HeaderField.Value(header);
            Found |= header.EndsWith(value) && (Ascii.EqualsIgnoreCase(value, "8bit"u8) || Ascii.EqualsIgnoreCase(value, "binary"u8));
        }
        else if (structure && Ascii.EqualsIgnoreCase(name, Type) && _parts is null)
        {
            _type = MayHaveParts(HeaderField.Value(header)) ? header.ToArray() : null;
        }
    }

    /// <summary>Takes text behind the message's headers.</summary>
    public void Body(ReadOnlyMemory<byte> content)
    {
        if (Found || _type is null || content.IsEmpty)
        {
            return;
        }
        if (_parts is null)
        {
            _parts = new MimeScanner(limits);
            byte[] head = [.. _type, (byte)'\n', (byte)'\n'];
            Read(head);
        }
        Read(content);
    }

    /// <inheritdoc/>
    public void Dispose() => _parts?.Dispose();

    private static bool MayHaveParts(ReadOnlySpan<byte> type) => type is [(byte)'(', ..] || Begins(type, "multipart"u8) || Begins(type, "message"u8);

    private static bool Begins(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word) => text.Length >= word.Length && Ascii.EqualsIgnoreCase(text[..word.Length], word);

    private void Read(ReadOnlyMemory<byte> content)
    {
        while (!Found)
        {
            switch (_parts!.Next(ref content))
            {
                case MimeScan.NeedInput:
                    return;
                case MimeScan.Header:
                    Header(_parts.Text.Span);
                    break;
            }
        }
    }
}
