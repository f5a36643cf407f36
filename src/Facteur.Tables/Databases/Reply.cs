namespace Facteur.Tables.Databases;

/// <summary>How asking a server ended.</summary>
internal enum ReplyKind : byte
{
    /// <summary>It answered.</summary>
    Answered,

    /// <summary>It answered that it can't: the question may be wrong; the connection is good.</summary>
    Refused,

    /// <summary>What it answers can't be taken: the server is good, the connection is not, for more of the answer is on it.</summary>
    Unusable,

    /// <summary>The connection, or the server, is of no use.</summary>
    Broken,
}

/// <summary>What came of asking a server.</summary>
/// <typeparam name="T">What it answers.</typeparam>
/// <param name="Kind">How it ended.</param>
/// <param name="Value">The answer.</param>
/// <param name="Reason">Why there is none, in the server's or the system's words.</param>
internal readonly record struct Reply<T>(ReplyKind Kind, T? Value, string Reason)
{
    public static Reply<T> Answered(T value) => new(ReplyKind.Answered, value, "");

    public static Reply<T> Refused(string reason) => new(ReplyKind.Refused, default, reason);

    public static Reply<T> Unusable(string reason) => new(ReplyKind.Unusable, default, reason);

    public static Reply<T> Broken(string reason) => new(ReplyKind.Broken, default, reason);
}
