using System.Text;

namespace Facteur.Commands;

/// <summary>Arguments as they were given: the runtime makes text of them, and of what is no UTF-8 replacement characters.</summary>
internal static class ArgumentBytes
{
    /// <summary>The bytes of an argument, or of what follows its option letters.</summary>
    public static byte[] Of(string argument) => argument.Contains('\ufffd') ? Of(argument, File.ReadAllBytes("/proc/self/cmdline")) : Encoding.UTF8.GetBytes(argument);

    /// <summary>The same, of a command line whose arguments end with null bytes.</summary>
    internal static byte[] Of(string argument, ReadOnlySpan<byte> line)
    {
        foreach (var part in line.Split((byte)0))
        {
            var given = line[part];
            var text = Encoding.UTF8.GetString(given);
            var letters = text.Length - argument.Length;
            if (letters >= 0 && text.EndsWith(argument, StringComparison.Ordinal) && Ascii.IsValid(text.AsSpan(0, letters)) && !System.Text.Unicode.Utf8.IsValid(given))
            {
                return given[letters..].ToArray();
            }
        }
        return Encoding.UTF8.GetBytes(argument);
    }
}
