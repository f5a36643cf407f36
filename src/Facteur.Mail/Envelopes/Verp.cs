using Facteur.Mail.Addresses;

namespace Facteur.Mail.Envelopes;

/// <summary>Variable envelope return paths: the sender names the recipient, so that a bounce tells whose it is (VERP_README).</summary>
public static class Verp
{
    /// <summary>Whether a text is two delimiters, both of verp_delimiter_filter.</summary>
    public static bool IsValid(string delimiters, string filter) => delimiters.Length == 2 && filter.Contains(delimiters[0]) && filter.Contains(delimiters[1]);

    /// <summary>prefix@origin for user@domain is prefix+user=domain@origin. Of the recipient what its sender wrote counts, for that is what his list knows.</summary>
    /// <param name="delimiters">The two delimiters.</param>
    /// <param name="sender">The sender; the null sender stays as it is.</param>
    /// <param name="recipient">The recipient.</param>
    public static string Sender(string delimiters, string sender, EnvelopeRecipient recipient)
    {
        if (sender.Length == 0)
        {
            return sender;
        }
        var (prefix, origin) = AddressParts.Split(sender);
        var (user, domain) = AddressParts.Split(recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address);
        var local = $"{AddressParts.Unquote(prefix)}{delimiters[0]}{AddressParts.Unquote(user)}{(domain.Length > 0 ? $"{delimiters[1]}{domain}" : "")}";
        return sender.Contains('@') ? $"{AddressParts.Quote(local)}@{origin}" : AddressParts.Quote(local);
    }
}
