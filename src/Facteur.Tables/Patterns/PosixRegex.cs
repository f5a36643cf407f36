using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>
/// A POSIX regular expression, compiled by libc as in Postfix: .NET's Regex is not leftmost-longest. Compiled in the C locale, where a
/// byte is a character. Safe for many threads: glibc locks a pattern while it matches.
/// </summary>
internal sealed unsafe class PosixRegex : SafeHandle, IExpression
{
    public const int Extended = 1, IgnoreCase = 2, Newline = 4;

    /// <summary>Larger than any libc's regex_t; glibc's is 64 bytes with re_nsub at 48.</summary>
    private const int StructSize = 256, GroupsOffset = 48, CtypeAndCollate = 1 | 8;
    private static readonly nint CLocale = Libc.newlocale(CtypeAndCollate, "C", 0);

    private bool _compiled;

    public PosixRegex()
        : base(0, ownsHandle: true)
    {
        SetHandle((nint)NativeMemory.AllocZeroed(StructSize));
    }

    public override bool IsInvalid => handle == 0;

    public int Groups { get; private set; }

    /// <summary>Compiles an expression.</summary>
    /// <param name="pattern">Its bytes.</param>
    /// <param name="flags">Extended, IgnoreCase, Newline.</param>
    /// <param name="error">libc's words when it is no expression.</param>
    public static PosixRegex? Compile(ReadOnlySpan<byte> pattern, int flags, out string error)
    {
        var regex = new PosixRegex();
        byte[] text = [.. pattern, 0];
        var before = Libc.uselocale(CLocale);
        int code;
        fixed (byte* start = text)
        {
            code = Libc.regcomp(regex.handle, start, flags);
        }
        Libc.uselocale(before);
        error = "";
        if (code == 0)
        {
            regex._compiled = true;
            regex.Groups = (int)*(nuint*)(regex.handle + GroupsOffset);
            return regex;
        }
        var message = stackalloc byte[256];
        _ = Libc.regerror(code, regex.handle, message, 256);
        error = Marshal.PtrToStringUTF8((nint)message) ?? "";
        regex.Dispose();
        return null;
    }

    public Matched Match(ReadOnlySpan<byte> text, Span<Libc.RegMatch> matches, out string error)
    {
        fixed (byte* start = text)
        fixed (Libc.RegMatch* groups = matches)
        {
            var code = Libc.regexec(handle, start, (nuint)matches.Length, groups, 0);
            GC.KeepAlive(this);
            return Ended(code, out error);
        }
    }

    /// <summary>What regexec's result says: without memory it does not know.</summary>
    internal static Matched Ended(int code, out string error)
    {
        const int noMatch = 1;
        error = code is 0 or noMatch ? "" : "Memory exhausted";
        return code == 0 ? Matched.Yes : code == noMatch ? Matched.No : Matched.Failed;
    }

    protected override bool ReleaseHandle()
    {
        if (_compiled)
        {
            Libc.regfree(handle);
        }
        NativeMemory.Free((void*)handle);
        return true;
    }
}
