using System.Text;
using Facteur.Unix;

namespace Facteur.Tables.Text;

/// <summary>The bytes of a table: of a file, or of rules written in the table's name.</summary>
internal static class TableSource
{
    /// <summary>No table's file may be larger.</summary>
    private const long MaxBytes = 1 << 30;

    /// <summary>Reads a whole file.</summary>
    /// <exception cref="TableException">With the words of the system.</exception>
    public static byte[] Read(string path, string what = "open") => Read(path, what, out _);

    /// <summary>Reads a whole file, and says whose it is.</summary>
    /// <exception cref="TableException">With the words of the system.</exception>
    public static unsafe byte[] Read(string path, string what, out uint owner)
    {
        try
        {
            using var file = new FileStream(SealedFiles.PathOf(path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
            if (file.Length > MaxBytes)
            {
                throw new TableException($"{what} {path}: larger than {MaxBytes} bytes");
            }
            Stat status;
            // A file of root's that was handed over is root's still.
            owner = Libc.fstat((int)file.SafeFileHandle.DangerousGetHandle(), &status) == 0 ? status.Uid : throw new TableException($"{what} {path}: no status");
            var content = new byte[file.Length];
            return content[..file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new TableException($"{what} {path}: {Reason(path, e)}");
        }
    }

    /// <summary>The reason of a failure in the system's words.</summary>
    public static string Reason(string path, Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException => Directory.Exists(path) ? "Is a directory" : "Permission denied",
        _ => e.Message,
    };

    /// <summary>Rules written in a table's name, "{ {rule}, {rule} }", one a line; null when the name is a file's.</summary>
    /// <exception cref="TableException">The braces are not right.</exception>
    public static byte[]? Inline(string type, string argument)
    {
        if (argument is not ['{', ..])
        {
            return null;
        }
        var inner = BraceText.Inner(argument) ?? throw new TableException($"{type} map: {BraceText.WhyNot(argument)}");
        return Encoding.UTF8.GetBytes(string.Concat(BraceText.Elements(inner).Select(r =>
            (BraceText.Inner(r) ?? throw new TableException($"{type} map: {(r[0] == '{' ? BraceText.WhyNot(r) : $"no '{{' at start of text in \"{r}\"")}")) + "\n")));
    }
}
