using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>How a match ended.</summary>
internal enum Matched : byte
{
    /// <summary>It does not match.</summary>
    No = 0,

    /// <summary>It matches.</summary>
    Yes = 1,

    /// <summary>It is not known: a limit was reached.</summary>
    Failed = 2,
}

/// <summary>A compiled regular expression. Safe for many threads.</summary>
internal interface IExpression
{
    /// <summary>How many groups it has.</summary>
    int Groups { get; }

    /// <summary>What a text must hold to match; null when nothing is known.</summary>
    TrigramQuery? Trigrams => null;

    /// <summary>Matches a text.</summary>
    /// <param name="text">Its bytes, the last one a NUL.</param>
    /// <param name="matches">The whole match and its groups; a group that took no part starts at -1.</param>
    /// <param name="error">Why it failed, or "".</param>
    Matched Match(ReadOnlySpan<byte> text, Span<Libc.RegMatch> matches, out string error);
}
