using System.Text;

namespace Facteur.Tables.Text;

/// <summary>Bytes as they are shown in messages: what is not printable ASCII becomes "?".</summary>
public static class Printable
{
    /// <summary>The bytes as text.</summary>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (var b in bytes)
        {
            text.Append(b is >= 0x20 and < 0x7f ? (char)b : '?');
        }
        return text.ToString();
    }
}
