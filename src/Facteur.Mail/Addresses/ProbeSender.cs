namespace Facteur.Mail.Addresses;

/// <summary>
/// The sender of probes, address_verify_sender: with a time to live its local part ends in a number that changes with time, so that spam to an
/// address once harvested is refused.
/// </summary>
public static class ProbeSender
{
    // Postfix: digits and consonants, so that no words come out, in upper case.
    private const string Digits = "0123456789BCDFGHJKLMNPQRSTVWXYZ";

    /// <summary>The sender of this moment; "" is the null sender.</summary>
    /// <param name="configured">address_verify_sender.</param>
    /// <param name="lifetimeSeconds">address_verify_sender_ttl, 0 for none.</param>
    /// <param name="nowSeconds">Seconds since 1970.</param>
    public static string Make(string configured, long lifetimeSeconds, long nowSeconds) =>
        configured is "" or "<>" ? "" : lifetimeSeconds <= 0 ? configured : Numbered(configured, nowSeconds / lifetimeSeconds);

    /// <summary>Whether an address is the sender of this moment, of the one before or of the next: clocks differ, and probes take their time.</summary>
    /// <param name="address">The address, completed.</param>
    /// <param name="configured">address_verify_sender, completed.</param>
    /// <param name="lifetimeSeconds">address_verify_sender_ttl, 0 for none.</param>
    /// <param name="nowSeconds">Seconds since 1970.</param>
    public static bool IsValid(string address, string configured, long lifetimeSeconds, long nowSeconds)
    {
        if (configured is "" or "<>")
        {
            return false;
        }
        if (lifetimeSeconds <= 0)
        {
            return address.Equals(configured, StringComparison.OrdinalIgnoreCase);
        }
        var period = nowSeconds / lifetimeSeconds;
        for (var other = Math.Max(period - 1, 0); other <= period + 1; other++)
        {
            if (address.Equals(Numbered(configured, other), StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }
        return false;
    }

    private static string Numbered(string configured, long number)
    {
        Span<char> digits = stackalloc char[16];
        var at = digits.Length;
        do
        {
            digits[--at] = Digits[(int)(number % Digits.Length)];
            number /= Digits.Length;
        }
        while (number > 0);
        var (local, domain) = AddressParts.Split(configured);
        return configured.Contains('@') ? $"{local}{digits[at..]}@{domain}" : $"{local}{digits[at..]}";
    }
}
