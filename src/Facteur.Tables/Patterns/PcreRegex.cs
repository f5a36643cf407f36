using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>
/// A Perl-compatible regular expression, compiled by libpcre2-8 as in Postfix. Safe for many threads: what a match needs belongs to the thread.
/// A match takes at most <see cref="StepLimit"/> steps and <see cref="HeapKibibytes"/> of memory.
/// </summary>
internal sealed unsafe class PcreRegex : SafeHandle, IExpression
{
    /// <summary>About 50 ms: a sender who knows the pattern must not hold the thread of a socket (the library's own limit is ten times that).</summary>
    private const uint StepLimit = 1_000_000;

    private const uint HeapKibibytes = 32 * 1024;
    private const int Pairs = 256;

    private static readonly Lazy<nint> Limits = new(MakeLimits);

    [ThreadStatic]
    private static MatchData? _data;

    private PcreRegex(nint code, TrigramQuery? trigrams)
        : base(code, ownsHandle: true)
    {
        Trigrams = trigrams;
        uint groups;
        _ = Pcre2.pcre2_pattern_info_8(code, Pcre2.INFO_CAPTURECOUNT, &groups);
        Groups = (int)groups;
    }

    public override bool IsInvalid => handle == 0;

    public int Groups { get; }

    public TrigramQuery? Trigrams { get; }

    /// <summary>Compiles an expression.</summary>
    /// <param name="pattern">Its bytes.</param>
    /// <param name="options">PCRE2's.</param>
    /// <param name="error">The library's words when it is no expression.</param>
    public static PcreRegex? Compile(ReadOnlySpan<byte> pattern, uint options, out string error)
    {
        nint code;
        int number;
        nuint offset;
        fixed (byte* start = pattern)
        {
            byte none;
            code = Pcre2.pcre2_compile_8(start is null ? &none : start, (nuint)pattern.Length, options, out number, out offset, 0);
        }
        error = code == 0 ? $"error in regex at offset {offset}: {Words(number)}" : "";
        return code == 0 ? null : new PcreRegex(code, PcreTrigrams.Of(pattern, options));
    }

    public Matched Match(ReadOnlySpan<byte> text, Span<Libc.RegMatch> matches, out string error)
    {
        error = "";
        text = text[..^1];
        var data = _data ??= new MatchData();
        int result;
        fixed (byte* start = text)
        {
            byte none;
            result = Pcre2.pcre2_match_8(handle, start is null ? &none : start, (nuint)text.Length, 0, 0, data.Handle, Limits.Value);
        }
        GC.KeepAlive(this);
        if (result < 0)
        {
            error = result == Pcre2.ERROR_NOMATCH ? "" : Words(result);
            return result == Pcre2.ERROR_NOMATCH ? Matched.No : Matched.Failed;
        }
        var found = Math.Min(matches.Length, result == 0 ? Pairs : result);
        for (var i = 0; i < matches.Length; i++)
        {
            // What is not set has both at the highest number.
            var from = i < found ? data.Pairs[2 * i] : nuint.MaxValue;
            matches[i] = from > (nuint)text.Length ? new Libc.RegMatch { Start = -1, End = -1 } : new Libc.RegMatch { Start = (int)from, End = (int)data.Pairs[(2 * i) + 1] };
        }
        return Matched.Yes;
    }

    protected override bool ReleaseHandle()
    {
        Pcre2.pcre2_code_free_8(handle);
        return true;
    }

    private static nint MakeLimits()
    {
        var limits = Pcre2.pcre2_match_context_create_8(0);
        _ = Pcre2.pcre2_set_match_limit_8(limits, StepLimit);
        _ = Pcre2.pcre2_set_depth_limit_8(limits, StepLimit);
        _ = Pcre2.pcre2_set_heap_limit_8(limits, HeapKibibytes);
        return limits;
    }

    private static string Words(int number)
    {
        var buffer = stackalloc byte[256];
        return Pcre2.pcre2_get_error_message_8(number, buffer, 256) < 0 ? $"error {number}" : Marshal.PtrToStringUTF8((nint)buffer) ?? "";
    }

    /// <summary>Where a thread's matches are put.</summary>
    private sealed class MatchData
    {
        public MatchData()
        {
            Handle = Pcre2.pcre2_match_data_create_8(PcreRegex.Pairs, 0);
            Pairs = Pcre2.pcre2_get_ovector_pointer_8(Handle);
        }

        ~MatchData() => Pcre2.pcre2_match_data_free_8(Handle);

        public nint Handle { get; }

        public nuint* Pairs { get; }
    }
}
