namespace Facteur.Tables.Ldap;

/// <summary>Result codes that matter here, and the words of all (RFC 4511 4.1.9), as OpenLDAP writes them.</summary>
internal static class LdapResult
{
    public const int Success = 0, SizeLimitExceeded = 4, Referral = 10, NoSuchObject = 32, Busy = 51, Unavailable = 52;

    /// <summary>Not the protocol's: the server is gone, what it says can't be read, it takes too long.</summary>
    public const int ServerDown = -1, DecodingError = -4, TimedOut = -5, FilterError = -7;

    public static string Text(int code) => code switch
    {
        ServerDown => "Can't contact LDAP server",
        DecodingError => "Decoding error",
        TimedOut => "Timed out",
        FilterError => "Bad search filter",
        0 => "Success",
        1 => "Operations error",
        2 => "Protocol error",
        3 => "Time limit exceeded",
        4 => "Size limit exceeded",
        7 => "Authentication method not supported",
        8 => "Strong(er) authentication required",
        10 => "Referral",
        11 => "Administrative limit exceeded",
        12 => "Critical extension is unavailable",
        13 => "Confidentiality required",
        16 => "No such attribute",
        17 => "Undefined attribute type",
        18 => "Inappropriate matching",
        21 => "Invalid syntax",
        32 => "No such object",
        34 => "Invalid DN syntax",
        48 => "Inappropriate authentication",
        49 => "Invalid credentials",
        50 => "Insufficient access",
        51 => "Server is busy",
        52 => "Server is unavailable",
        53 => "Server is unwilling to perform",
        80 => "Other (e.g., implementation specific) error",
        _ => "Unknown error",
    };
}
