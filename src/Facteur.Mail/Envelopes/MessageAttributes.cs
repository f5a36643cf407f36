namespace Facteur.Mail.Envelopes;

/// <summary>
/// What else is known of a message, by name: few messages have any. The names are those of Postfix's queue files. Immutable.
/// </summary>
public sealed class MessageAttributes
{
    /// <summary>Most attributes of a message.</summary>
    public const int Limit = 64;

    /// <summary>XFORWARD NAME: the client that an earlier hop saw.</summary>
    public const string LogClientName = "log_client_name";

    /// <summary>XFORWARD ADDR.</summary>
    public const string LogClientAddress = "log_client_address";

    /// <summary>XFORWARD PORT.</summary>
    public const string LogClientPort = "log_client_port";

    /// <summary>XFORWARD HELO.</summary>
    public const string LogHeloName = "log_helo_name";

    /// <summary>XFORWARD PROTO.</summary>
    public const string LogProtocolName = "log_protocol_name";

    /// <summary>XFORWARD IDENT: the queue id at that hop.</summary>
    public const string LogIdent = "log_ident";

    /// <summary>Mechanism of the login.</summary>
    public const string SaslMethod = "sasl_method";

    /// <summary>Who logged in.</summary>
    public const string SaslUsername = "sasl_username";

    /// <summary>MAIL FROM … AUTH= (RFC 4954).</summary>
    public const string SaslSender = "sasl_sender";

    /// <summary>What is known of the login.</summary>
    public static IReadOnlyList<string> OfLogin { get; } = [SaslMethod, SaslUsername, SaslSender];

    /// <summary>content_filter, or a FILTER action: transport:nexthop instead of each recipient's own.</summary>
    public const string Filter = "filter";

    /// <summary>A REDIRECT action: the address that gets the message instead of its recipients.</summary>
    public const string Redirect = "redirect";

    /// <summary>When a message that is older than this came into the queue, in seconds since 1970: see <see cref="Envelope.QueuedMicros"/>.</summary>
    public const string CreateTime = "create_time";

    private readonly KeyValuePair<string, string>[] _pairs;

    /// <summary>Takes names and values.</summary>
    /// <param name="pairs">At most <see cref="Limit"/>; of the same name, the last counts.</param>
    public MessageAttributes(IEnumerable<KeyValuePair<string, string>> pairs) => _pairs = [.. pairs];

    /// <summary>None.</summary>
    public static MessageAttributes None { get; } = new([]);

    /// <summary>All of them, in order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Pairs => _pairs;

    /// <summary>A value; "" when there is none.</summary>
    public string Value(string name)
    {
        for (var i = _pairs.Length - 1; i >= 0; i--)
        {
            if (_pairs[i].Key == name)
            {
                return _pairs[i].Value;
            }
        }
        return "";
    }

    /// <summary>A value; another one when there is none.</summary>
    public string Value(string name, string otherwise) => Value(name) is { Length: > 0 } value ? value : otherwise;

    /// <summary>These and one more, in place of an older value; without it when the value is "".</summary>
    public MessageAttributes With(string name, string value)
    {
        if (value.Length == 0 && Value(name).Length == 0)
        {
            return this;
        }
        var rest = _pairs.Where(p => p.Key != name);
        return value.Length == 0 ? new(rest) : new(rest.Append(new(name, value)));
    }
}
