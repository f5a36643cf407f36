using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// The system's libpcre2-8, loaded when the first pcre: table is opened. Its JIT is not used: the roles have no memory that is writable and executable,
/// and the limits of the interpreter are the same everywhere.
/// </summary>
public static unsafe partial class Pcre2
{
    /// <summary>The library's name.</summary>
    public const string Library = "libpcre2-8.so.0";

#pragma warning disable CS1591, SA1310 // pcre2.h documents these.
    public const uint ANCHORED = 0x8000_0000, CASELESS = 0x8, DOLLAR_ENDONLY = 0x10, DOTALL = 0x20, EXTENDED = 0x80, MULTILINE = 0x400, UNGREEDY = 0x4_0000, UTF = 0x8_0000;
    public const uint NO_UTF_CHECK = 0x4000_0000;
    public const uint INFO_CAPTURECOUNT = 4;
    public const int ERROR_NOMATCH = -1;

    [LibraryImport(Library)] public static partial nint pcre2_compile_8(byte* pattern, nuint length, uint options, out int error, out nuint offset, nint context);
    [LibraryImport(Library)] public static partial void pcre2_code_free_8(nint code);
    [LibraryImport(Library)] public static partial int pcre2_pattern_info_8(nint code, uint what, uint* value);
    [LibraryImport(Library)] public static partial nint pcre2_match_data_create_8(uint pairs, nint context);
    [LibraryImport(Library)] public static partial void pcre2_match_data_free_8(nint data);
    [LibraryImport(Library)] public static partial nuint* pcre2_get_ovector_pointer_8(nint data);
    [LibraryImport(Library)] public static partial int pcre2_match_8(nint code, byte* subject, nuint length, nuint start, uint options, nint data, nint context);
    [LibraryImport(Library)] public static partial nint pcre2_match_context_create_8(nint context);
    [LibraryImport(Library)] public static partial int pcre2_set_match_limit_8(nint context, uint limit);
    [LibraryImport(Library)] public static partial int pcre2_set_depth_limit_8(nint context, uint limit);
    [LibraryImport(Library)] public static partial int pcre2_set_heap_limit_8(nint context, uint kibibytes);
    [LibraryImport(Library)] public static partial int pcre2_get_error_message_8(int error, byte* buffer, nuint size);
#pragma warning restore CS1591, SA1310

    /// <summary>Whether the library is there.</summary>
    public static bool IsAvailable { get; } = NativeLibrary.TryLoad(Library, out _);
}
