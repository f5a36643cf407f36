using System.Globalization;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Policy;

/// <summary>What a policy service is told: "name=value" lines and an empty one (SMTPD_POLICY_README, as of release 3.11).</summary>
internal static class PolicyRequest
{
    /// <summary>Makes a request.</summary>
    /// <param name="context">The session.</param>
    /// <param name="policyContext">policy_context.</param>
    public static string Make(RestrictionContext context, string policyContext)
    {
        var text = new StringBuilder(1024);
        var (client, settings) = (context.Client, context.Settings);
        // Postfix: BDAT is asked about as DATA is.
        var state = context.Where == "BDAT" ? "DATA" : context.Where;
        var counts = state is "DATA" or "END-OF-MESSAGE";
        void Add(string name, string? value)
        {
            text.Append(name).Append('=');
            // One value is one line, whatever a client said.
            text.Append(value is null ? "" : SmtpdLog.Printable(value)).Append('\n');
        }
        Add("request", "smtpd_access_policy");
        Add("protocol_state", state);
        Add("protocol_name", context.Protocol);
        Add("client_address", client.Address);
        Add("client_name", client.Name);
        Add("client_port", Number(client.Port));
        Add("reverse_client_name", client.ReverseName);
        Add("server_address", client.ServerAddress);
        Add("server_port", client.ServerPort);
        Add("helo_name", context.Helo);
        Add("sender", Raw(context.Sender));
        Add("recipient", Raw(context.Recipient));
        Add("recipient_count", counts ? Number(context.RecipientCount) : "0");
        Add("queue_id", context.QueueId);
        Add("instance", context.Instance);
        Add("size", Number(context.Size));
        Add("etrn_domain", context.EtrnDomain);
        Add("stress", settings.Stress);
        // No session has TLS or a certificate yet.
        Add("sasl_method", context.SaslMethod);
        Add("sasl_username", context.SaslUsername);
        Add("sasl_sender", "");
        Add("ccert_subject", "");
        Add("ccert_issuer", "");
        Add("ccert_fingerprint", "");
        Add("ccert_pubkey_fingerprint", "");
        Add("encryption_protocol", "");
        Add("encryption_cipher", "");
        Add("encryption_keysize", "0");
        Add("policy_context", policyContext);
        Add("compatibility_level", settings.CompatibilityLevel);
        Add("mail_version", settings.MailVersion);
        return text.Append('\n').ToString();
    }

    // Postfix: without quotes.
    private static string? Raw(string? address) => address is null ? null : AddressParts.Unquote(address);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
