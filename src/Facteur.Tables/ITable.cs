namespace Facteur.Tables;

/// <summary>How a lookup ended.</summary>
public enum LookupStatus : byte
{
    /// <summary>No such key.</summary>
    NotFound = 0,

    /// <summary>Found.</summary>
    Found = 1,

    /// <summary>The table can't answer now: the caller defers (4xx), never treats it as "not found".</summary>
    Error = 2,
}

/// <summary>A lookup's answer.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Value">The value when found, else the reason of an error, else "".</param>
public readonly record struct Lookup(LookupStatus Status, string Value)
{
    /// <summary>No such key.</summary>
    public static Lookup NotFound => new(LookupStatus.NotFound, "");

    /// <summary>Found.</summary>
    public static Lookup Found(string value) => new(LookupStatus.Found, value);

    /// <summary>The table can't answer now.</summary>
    public static Lookup Error(string reason) => new(LookupStatus.Error, reason);
}

/// <summary>A lookup table, type:name (DATABASE_README). Safe for many threads.</summary>
public interface ITable : IDisposable
{
    /// <summary>"type:name", as the administrator wrote it.</summary>
    string Name { get; }

    /// <summary>Keys are patterns (regexp, cidr, pcre): only the whole key is looked up, never parts of it.</summary>
    bool IsPattern { get; }

    /// <summary>A lookup may block (passwd, SQL, LDAP): it runs on own threads. Others complete synchronously.</summary>
    bool CanBlock { get; }

    /// <summary>Looks up a key. Fixed-string tables fold it to lower case themselves.</summary>
    ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel);

    /// <summary>Looks up a key that is bytes, such as a line of a message, in a table that is not UTF-8 (<see cref="TableOptions.Utf8"/>). The bytes stay until it has completed.</summary>
    ValueTask<Lookup> LookupAsync(ReadOnlyMemory<byte> key, CancellationToken cancel) => LookupAsync(System.Text.Encoding.Latin1.GetString(key.Span), cancel);
}
