using System.Buffers;
using Facteur.Config;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Sets of bytes as message_strip_characters writes them: characters, and the escapes of C, \a \b \f \n \r \t \v \\ and \ooo.</summary>
internal static class CharacterSet
{
    private const string Letters = "abfnrtv";
    private static ReadOnlySpan<byte> Values => [7, 8, 12, 10, 13, 9, 11];

    /// <summary>The set, or null when it is empty.</summary>
    /// <exception cref="ConfigException">An escape is not one.</exception>
    public static SearchValues<byte>? Parse(string parameter, string text)
    {
        if (text.Length == 0)
        {
            return null;
        }
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        var set = new List<byte>();
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != '\\')
            {
                set.Add(bytes[i]);
                continue;
            }
            i++;
            var letter = i < bytes.Length ? Letters.IndexOf((char)bytes[i]) : -1;
            if (letter >= 0)
            {
                set.Add(Values[letter]);
            }
            else if (i < bytes.Length && bytes[i] is >= (byte)'0' and <= (byte)'7')
            {
                var number = 0;
                var end = Math.Min(i + 3, bytes.Length);
                for (; i < end && bytes[i] is >= (byte)'0' and <= (byte)'7'; i++)
                {
                    number = number * 8 + bytes[i] - '0';
                }
                i--;
                set.Add((byte)number);
            }
            else if (i < bytes.Length && bytes[i] == '\\')
            {
                set.Add((byte)'\\');
            }
            else
            {
                throw new ConfigException($"{parameter} = {text}: expected one of \\a \\b \\f \\n \\r \\t \\v \\\\ or \\ and octal digits after the backslash");
            }
        }
        return SearchValues.Create([.. set]);
    }
}
