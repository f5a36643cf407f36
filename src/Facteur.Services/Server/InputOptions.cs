using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Server;

/// <summary>What a service that takes new mail gives it on its way (content_filter), and what is not done to it (receive_override_options).</summary>
public sealed class InputOptions
{
    /// <summary>Reads them.</summary>
    /// <exception cref="ConfigException">An option is not known, or the filter has no transport.</exception>
    public InputOptions(IConfig config)
    {
        Filter = config.Get(ContentFilterParameters.ContentFilter);
        if (Filter.StartsWith(':'))
        {
            throw new ConfigException($"content_filter = {Filter}: expected transport:destination");
        }
        foreach (var word in ListSyntax.Split(config.Get(ContentFilterParameters.ReceiveOverrideOptions)))
        {
            switch (word.ToLowerInvariant())
            {
                case "no_unknown_recipient_checks":
                    NoUnknownRecipientChecks = true;
                    break;
                case "no_address_mappings":
                    Flags |= MessageFlags.NoAddressMappings;
                    break;
                case "no_header_body_checks":
                    Flags |= MessageFlags.NoHeaderBodyChecks;
                    break;
                case "no_milters":
                    Flags |= MessageFlags.NoMilters;
                    break;
                default:
                    throw new ConfigException(
                        $"receive_override_options: unknown option \"{word}\": expected no_unknown_recipient_checks, no_address_mappings, no_header_body_checks or no_milters");
            }
        }
    }

    /// <summary>Nothing of it.</summary>
    public InputOptions() => Filter = "";

    /// <summary>content_filter.</summary>
    public string Filter { get; }

    /// <summary>What cleanup does not do.</summary>
    public MessageFlags Flags { get; }

    /// <summary>smtpd takes recipients that nobody has.</summary>
    public bool NoUnknownRecipientChecks { get; }
}
