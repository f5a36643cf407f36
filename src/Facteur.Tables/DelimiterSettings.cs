using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;

namespace Facteur.Tables;

/// <summary>Reads what says where extensions begin.</summary>
public static class DelimiterSettings
{
    /// <summary>recipient_delimiter and owner_request_special, which go together wherever an address is cut (Postfix: split_addr).</summary>
    public static RecipientDelimiters Of(IConfig config) => new(config.Get(CommonParameters.RecipientDelimiter), config.Get(LocalParameters.OwnerRequestSpecial));
}
