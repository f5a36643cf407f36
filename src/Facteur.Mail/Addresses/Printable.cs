namespace Facteur.Mail.Addresses;

/// <summary>Text from outside on its way into a line.</summary>
public static class Printable
{
    /// <summary>The text with a blank for each control character.</summary>
    public static string OneLine(string text) =>
        text.AsSpan().ContainsAnyInRange('\0', '\x1f') || text.Contains('\x7f')
            ? string.Create(text.Length, text, static (span, from) =>
            {
                for (var i = 0; i < from.Length; i++)
                {
                    span[i] = char.IsControl(from[i]) ? ' ' : from[i];
                }
            })
            : text;
}
