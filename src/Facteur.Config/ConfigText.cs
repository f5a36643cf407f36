using System.Text;

namespace Facteur.Config;

/// <summary>The text of a configuration file, with the encoding that gives back the same bytes.</summary>
/// <param name="Text">The text.</param>
/// <param name="Encoding">UTF-8, or Latin-1 where the bytes are not UTF-8.</param>
public sealed record ConfigText(string Text, Encoding Encoding)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigException">The file can't be read: "open path: reason".</exception>
    public static ConfigText Read(string path)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            try
            {
                return new ConfigText(Strict.GetString(bytes), Strict);
            }
            catch (DecoderFallbackException)
            {
                return new ConfigText(Encoding.Latin1.GetString(bytes), Encoding.Latin1);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"open {path}: {Reason(e)}");
        }
    }

    /// <summary>What strerror(3) says of an exception of opening a file.</summary>
    public static string Reason(Exception exception) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException e when e.InnerException?.Message.Contains("directory", StringComparison.Ordinal) == true => "Is a directory",
        UnauthorizedAccessException => "Permission denied",
        _ => exception.Message,
    };
}
