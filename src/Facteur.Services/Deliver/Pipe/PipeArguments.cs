using System.Globalization;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>
/// A command's arguments with their macros replaced. Values are data: whatever is in an address stays one argument and is not looked at again.
/// An argument that names something of the recipient becomes as many as there are recipients.
/// </summary>
/// <param name="command">The service.</param>
/// <param name="delimiters">recipient_delimiter.</param>
/// <param name="request">The delivery.</param>
internal sealed class PipeArguments(PipeCommand command, RecipientDelimiters delimiters, DeliveryRequest request)
{
    private static readonly HashSet<string> OfRecipient = new(StringComparer.Ordinal) { "recipient", "original_recipient", "user", "extension", "mailbox", "domain", "notify" };

    /// <summary>Expands all of them.</summary>
    /// <param name="arguments">The arguments, or null.</param>
    /// <returns>Null, or the name that is not known; "" for a "$" without one.</returns>
    public string? Expand(out IReadOnlyList<string>? arguments)
    {
        var result = new List<string>(command.Arguments.Count + request.Recipients.Count);
        arguments = null;
        foreach (var argument in command.Arguments)
        {
            for (var i = 0; i < request.Recipients.Count; i++)
            {
                if (Expand(argument, request.Recipients[i].Recipient, out var text, out var ofRecipient) is { } unknown)
                {
                    return unknown;
                }
                result.Add(text);
                if (!ofRecipient)
                {
                    break;
                }
            }
        }
        arguments = result;
        return null;
    }

    private string Fold(string address)
    {
        var (local, domain) = AddressParts.Split(address);
        local = command.Has(PipeFlags.FoldLocal) ? local.ToLowerInvariant() : local;
        return domain.Length == 0 ? local : $"{local}@{FoldDomain(domain)}";
    }

    private string? Expand(string argument, EnvelopeRecipient recipient, out string text, out bool ofRecipient)
    {
        (text, ofRecipient) = (argument, false);
        if (!argument.Contains('$'))
        {
            return null;
        }
        var output = new StringBuilder(argument.Length + 64);
        for (var at = 0; at < argument.Length; at++)
        {
            if (argument[at] != '$')
            {
                output.Append(argument[at]);
                continue;
            }
            at++;
            if (at < argument.Length && argument[at] == '$')
            {
                output.Append('$');
                continue;
            }
            var close = at == argument.Length ? -1 : argument[at] == '{' ? argument.IndexOf('}', at) : argument[at] == '(' ? argument.IndexOf(')', at) : at;
            if (close < 0)
            {
                return "";
            }
            var end = close;
            for (; close == at && end < argument.Length && (char.IsAsciiLetterOrDigit(argument[end]) || argument[end] == '_'); end++)
            {
            }
            var name = close == at ? argument[at..end] : argument[(at + 1)..close];
            if (Value(name, recipient) is not { } value)
            {
                return name;
            }
            output.Append(value);
            ofRecipient |= OfRecipient.Contains(name);
            at = close == at ? end - 1 : close;
        }
        text = output.ToString();
        return null;
    }

    private string? Value(string name, EnvelopeRecipient recipient)
    {
        var client = request.Envelope.OriginalClient;
        switch (name)
        {
            case "sender":
                // pipe(8): an empty replacement is not affected by the q flag.
                return request.Envelope.Sender.Length > 0 ? Outside(request.Envelope.Sender) : command.NullSender;
            case "nexthop":
                return FoldDomain(request.Nexthop);
            case "size":
                return request.Envelope.ContentSize.ToString(CultureInfo.InvariantCulture);
            case "queue_id":
                return request.QueueId;
            case "envid":
                return request.Envelope.EnvelopeId;
            case "client_address":
                return client.Address;
            case "client_hostname":
                return client.Name;
            case "client_port":
                return client.Port > 0 ? client.Port.ToString(CultureInfo.InvariantCulture) : "";
            case "client_helo":
                return client.Helo;
            case "client_protocol":
                return client.Protocol;
            case "sasl_method":
                return request.Envelope.Attributes.Value(MessageAttributes.SaslMethod);
            case "sasl_username":
                return request.Envelope.Attributes.Value(MessageAttributes.SaslUsername);
            case "sasl_sender":
                return request.Envelope.Attributes.Value(MessageAttributes.SaslSender);
            case "recipient":
                return Outside(Fold(recipient.Address));
            case "original_recipient":
                return Outside(Fold(recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address));
            case "notify":
                return Notify(recipient.Notify);
        }
        var (quoted, domain) = AddressParts.Split(recipient.Address);
        var local = AddressParts.Unquote(quoted);
        local = command.Has(PipeFlags.FoldLocal) ? local.ToLowerInvariant() : local;
        return name switch
        {
            "mailbox" => local,
            "user" => AddressParts.SplitExtension(local, delimiters).User,
            "extension" => AddressParts.SplitExtension(local, delimiters).Extension ?? "",
            "domain" => FoldDomain(domain),
            _ => null,
        };
    }

    // Addresses are kept quoted; without q they are given as their owners write them.
    private string Outside(string address)
    {
        if (command.Has(PipeFlags.Quote))
        {
            return address;
        }
        var (local, domain) = AddressParts.Split(address);
        local = AddressParts.Unquote(local);
        return domain.Length == 0 ? local : $"{local}@{domain}";
    }

    private string FoldDomain(string domain) => command.Has(PipeFlags.FoldDomain) ? domain.ToLowerInvariant() : domain;

    private static string Notify(DsnNotify notify) => (notify & DsnNotify.Never) != 0 ? "NEVER" : string.Join(
        ',', new[] { (DsnNotify.Success, "SUCCESS"), (DsnNotify.Failure, "FAILURE"), (DsnNotify.Delay, "DELAY") }.Where(n => (notify & n.Item1) != 0).Select(n => n.Item2));
}
