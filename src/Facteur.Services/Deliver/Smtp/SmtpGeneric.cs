using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>smtp_generic_maps (generic(5)): addresses that mean something here only become ones that do everywhere, in envelope and headers on their way out.</summary>
internal sealed class SmtpGeneric
{
    private const AddressKeys Keys = AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain | AddressKeys.ExternalOnly;

    private readonly Maps _maps;
    private readonly IAddressMaps _addresses;
    private readonly SmtpLog _log;
    private readonly bool _propagate;
    private readonly string _origin;
    private readonly string _domain;

    private SmtpGeneric(Maps maps, IAddressMaps addresses, IConfig config, SmtpLog log)
    {
        (_maps, _addresses, _log) = (maps, addresses, log);
        _propagate = ListSyntax.Split(config.Get(CleanupParameters.PropagateUnmatchedExtensions)).Contains("generic", StringComparer.OrdinalIgnoreCase);
        _origin = config.Get(TrivialRewriteParameters.AppendAtMyorigin) ? config.Get(CommonParameters.Myorigin) : "";
        _domain = config.Get(TrivialRewriteParameters.AppendDotMydomain) ? config.Get(CommonParameters.Mydomain) : "";
        TokenLimit = (int)Math.Min(config.Get(CleanupParameters.HeaderAddressTokenLimit), int.MaxValue);
    }

    /// <summary>header_address_token_limit.</summary>
    public int TokenLimit { get; }

    /// <summary>The mapping of an entry, or null when it has none.</summary>
    public static SmtpGeneric? Of(IConfig config, StringParameter parameter, ITableSet? tables, IAddressMaps? addresses, SmtpLog log)
    {
        if (tables is null || addresses is null || config.Get(parameter).Length == 0)
        {
            return null;
        }
        return new SmtpGeneric(Maps.Open(tables, parameter.Name, config.Get(parameter)), addresses, config, log);
    }

    /// <summary>Maps an address.</summary>
    /// <returns>What it becomes, itself when nothing maps; null when a table can't answer.</returns>
    public async ValueTask<string?> MapAsync(string address, CancellationToken cancel)
    {
        if (address.Length == 0)
        {
            return address;
        }
        var (lookup, extension) = await _addresses.FindAsync(_maps, address, Keys, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.Error)
        {
            _log.MapProblem(_maps.Parameter, address);
            return null;
        }
        if (lookup.Status == LookupStatus.NotFound || Parse(lookup.Value, address) is not { } result)
        {
            return address;
        }
        var (user, domain) = AddressParts.Split(result);
        if (user.Length == 0)
        {
            // "@domain": the user stays.
            user = AddressParts.Split(address).Local;
            user = extension.Length > 0 && user.EndsWith(extension, StringComparison.Ordinal) ? user[..^extension.Length] : user;
        }
        if (_propagate && extension.Length > 0)
        {
            user = AddressParts.Quote(AddressParts.Unquote(user) + extension);
        }
        return Complete(user, domain);
    }

    private string? Parse(string value, string address)
    {
        if (value.StartsWith('@'))
        {
            return value;
        }
        // A table's text is from outside: a line end in it would end a header or a command.
        var bytes = System.Text.Encoding.UTF8.GetBytes(Printable.OneLine(value));
        var list = new AddressList();
        list.Parse(bytes, TokenLimit);
        string? found = null;
        foreach (var token in list.Tokens)
        {
            if (token.Kind != AddressTokenKind.Address || AddressList.AddressText(bytes.AsSpan(token.Start, token.Length)) is not { Length: > 0 } text)
            {
                continue;
            }
            if (found is not null)
            {
                _log.SeveralValues(_maps.Parameter, address);
                break;
            }
            found = text;
        }
        return found;
    }

    private string Complete(string user, string domain)
    {
        domain = domain.Length == 0 ? _origin : domain;
        domain = domain.Length > 0 && _domain.Length > 0 && domain[0] != '[' && !domain.Contains('.') ? $"{domain}.{_domain}" : domain;
        return domain.Length == 0 ? user : $"{user}@{domain}";
    }
}
