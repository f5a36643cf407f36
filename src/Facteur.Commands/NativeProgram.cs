using System.Text;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// Tells a program that was compiled ahead of time from one that a runtime compiles when it runs. The second reads, before its first instruction, files and
/// variables that its caller names: set-gid it would give its group to everybody.
/// </summary>
internal static class NativeProgram
{
    private const int SizeLimit = 256 * 1024 * 1024;
    private const int Piece = 1024 * 1024;

    /// <summary>The section that holds compiled code, by its name in the file's table of sections. No constant: a program with ours in it would have the name too.</summary>
    private static readonly byte[] CompiledCode = Encoding.UTF8.GetBytes("\0__managedcode\0");

    /// <summary>Whether a file is an ELF program with compiled code.</summary>
    public static bool Is(string path)
    {
        if (UnixFile.Open(path, Libc.O_RDONLY | Libc.O_NONBLOCK, 0, out var file) != 0 || file is null)
        {
            return false;
        }
        using (file)
        {
            var buffer = new byte[CompiledCode.Length + Piece];
            var (kept, total) = (0, 0L);
            while (total < SizeLimit && file.Read(buffer.AsSpan(kept, Piece), out var count) == 0 && count > 0)
            {
                var bytes = buffer.AsSpan(0, kept + count);
                if (total == 0 && !bytes.StartsWith("\u007fELF"u8))
                {
                    return false;
                }
                if (bytes.IndexOf(CompiledCode) >= 0)
                {
                    return true;
                }
                total += count;
                // The name may lie across two pieces.
                kept = Math.Min(CompiledCode.Length, bytes.Length);
                bytes[^kept..].CopyTo(buffer);
            }
            return false;
        }
    }
}
