using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>The names that forward_path, luser_relay and command_execution_directory may use.</summary>
internal static class LocalNames
{
    /// <summary>The value of a name; null when it is not defined. The delimiters are recipient_delimiter's.</summary>
    public static string? Value(string name, LocalPart part, string address, UserAccount? account, RecipientDelimiters delimiters) => name switch
    {
        "user" => part.User,
        "home" => account?.Home,
        "shell" => account?.Shell,
        "recipient" => address,
        "extension" => part.Extension,
        "domain" => part.Domain,
        "local" => part.Whole,
        // The delimiter that was found, so that .forward+ext is looked for and not .forward+-ext; Postfix: without an extension the first one.
        "recipient_delimiter" => part.Extension is not null ? part.Unmatched[..1] : delimiters.Characters.Length > 0 ? delimiters.Characters[..1] : null,
        _ => null,
    };

    /// <summary>Characters that are not allowed become underscores.</summary>
    /// <param name="value">The value.</param>
    /// <param name="allowed">Characters allowed; null for all.</param>
    public static string? Filter(string? value, string? allowed)
    {
        if (value is null || allowed is null || value.All(allowed.Contains))
        {
            return value;
        }
        var text = new StringBuilder(value);
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = allowed.Contains(text[i]) ? text[i] : '_';
        }
        return text.ToString();
    }
}
