namespace Facteur.Contracts;

/// <summary>What is known of an address that was probed (Postfix: DEL_RCPT_STAT_*).</summary>
public enum ProbeStatus : byte
{
    /// <summary>Mail for it was accepted.</summary>
    Deliverable = 0,

    /// <summary>The probe was put off: nothing is known.</summary>
    Deferred = 1,

    /// <summary>The probe was refused.</summary>
    Undeliverable = 2,

    /// <summary>The probe is under way.</summary>
    InProgress = 3,

    /// <summary>Nobody can be asked now.</summary>
    Unavailable = 4,
}

/// <summary>The outcome of a probe.</summary>
/// <param name="Status">What is known.</param>
/// <param name="Dsn">Enhanced status code of the outcome ("5.1.1"), or "".</param>
/// <param name="Text">Why, in one line, or "".</param>
public readonly record struct ProbeResult(ProbeStatus Status, string Dsn, string Text);

/// <summary>The arrow smtpd → verify: whether an address can be delivered to. The first question starts a probe; it never waits for its end.</summary>
public interface IAddressProbes
{
    /// <summary>Says what is known of an address.</summary>
    /// <param name="address">The address, external form, completed.</param>
    /// <param name="cancel">The caller's end.</param>
    ValueTask<ProbeResult> QueryAsync(string address, CancellationToken cancel);
}
