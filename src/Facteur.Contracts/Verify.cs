namespace Facteur.Contracts;

/// <summary>What a probe of an address found (Postfix: DEL_RCPT_STAT_*; the numbers stand in the cache's file).</summary>
public enum AddressStatus : byte
{
    /// <summary>Mail to it is taken.</summary>
    Ok = 0,

    /// <summary>It can't be said now: a temporary failure.</summary>
    Deferred = 1,

    /// <summary>Mail to it is refused for good.</summary>
    Bounced = 2,

    /// <summary>A probe is under way and nothing is known yet.</summary>
    InProgress = 3,
}

/// <summary>What is known of an address.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Text">One line that says why, without control characters.</param>
public readonly record struct AddressVerdict(AddressStatus Status, string Text);

/// <summary>
/// The arrow smtpd → verify: whether an address takes mail. An answer comes at once, from what is known; where that is nothing or old, a probe is
/// sent beside. Who gets <see cref="AddressStatus.InProgress"/> asks again after address_verify_poll_delay.
/// </summary>
public interface IAddressProbes
{
    /// <summary>Asks about an address.</summary>
    /// <param name="address">The address as it was resolved, external form without brackets.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Null when the service can't answer.</returns>
    ValueTask<AddressVerdict?> QueryAsync(string address, CancellationToken cancel);
}

/// <summary>The arrow qmgr → verify: what a probe found. Never waits; a result that is lost costs another probe.</summary>
public interface IProbeResults
{
    /// <summary>A probe ended.</summary>
    /// <param name="address">The address, external form.</param>
    /// <param name="verdict">What it found.</param>
    void Probed(string address, AddressVerdict verdict);
}
