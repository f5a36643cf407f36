namespace Facteur.Mail.Dsn;

/// <summary>When a recipient's sender wants a report (RFC 3461 section 4.1). None set means not given: as FAILURE and DELAY.</summary>
[Flags]
public enum DsnNotify : byte
{
    /// <summary>NOTIFY was not given.</summary>
    None = 0,

    /// <summary>NOTIFY=NEVER.</summary>
    Never = 1,

    /// <summary>NOTIFY includes SUCCESS.</summary>
    Success = 2,

    /// <summary>NOTIFY includes FAILURE.</summary>
    Failure = 4,

    /// <summary>NOTIFY includes DELAY.</summary>
    Delay = 8,

    /// <summary>Not of the sender: no recipient, but an alias whose members have taken its place and whose sender asked for SUCCESS.</summary>
    Expanded = 16,
}

/// <summary>How much of the message a report returns (RFC 3461 section 4.3).</summary>
public enum DsnReturn : byte
{
    /// <summary>RET was not given.</summary>
    None = 0,

    /// <summary>RET=FULL.</summary>
    Full = 1,

    /// <summary>RET=HDRS.</summary>
    Headers = 2,
}
