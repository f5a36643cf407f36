using System.Globalization;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Envelopes;

/// <summary>What the MAIL command said of the content (RFC 6152).</summary>
public enum BodyType : byte
{
    /// <summary>BODY was not given.</summary>
    None = 0,

    /// <summary>BODY=7BIT.</summary>
    SevenBit = 1,

    /// <summary>BODY=8BITMIME.</summary>
    EightBitMime = 2,
}

/// <summary>How a message entered, which decides its place in reports and what is done to it.</summary>
public enum MessageOrigin : byte
{
    /// <summary>From the network by SMTP.</summary>
    Smtpd = 1,

    /// <summary>From maildrop: local submission.</summary>
    Pickup = 2,

    /// <summary>A delivery report made by bounce, defer or trace.</summary>
    Bounce = 3,

    /// <summary>Forwarded by local delivery.</summary>
    Forward = 4,

    /// <summary>A notice to the postmaster.</summary>
    Notice = 5,

    /// <summary>A probe of an address, made by verify.</summary>
    Verify = 6,
}

/// <summary>Options of one message.</summary>
[Flags]
public enum MessageFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>SMTPUTF8 was asked for or is needed (RFC 6531).</summary>
    SmtpUtf8 = 1,

    /// <summary>sendmail -bv: verify the recipients, deliver nothing, mail a report.</summary>
    VerifyOnly = 2,

    /// <summary>sendmail -v: deliver and mail a report of every recipient.</summary>
    ReportDeliveries = 4,

    /// <summary>The client is local: headers and addresses are completed as local mail's.</summary>
    RewriteLocal = 8,

    /// <summary>Ask for the hold queue when the message is durable.</summary>
    Hold = 16,

    /// <summary>postsuper -r: recipients go through cleanup again.</summary>
    Requeued = 32,

    /// <summary>receive_override_options = no_address_mappings: no canonical, virtual alias, masquerade or bcc mapping.</summary>
    NoAddressMappings = 64,

    /// <summary>A message that its source throws away on purpose: cleanup's last line says "discarded" instead of "canceled". Never durable.</summary>
    Discard = 128,

    /// <summary>receive_override_options = no_header_body_checks.</summary>
    NoHeaderBodyChecks = 256,

    /// <summary>receive_override_options = no_milters.</summary>
    NoMilters = 512,

    /// <summary>A probe of an address: delivered by nobody, reported to verify, gone after one attempt.</summary>
    Probe = 16384,
}

/// <summary>What is known of the client a message came from; empty strings where unknown.</summary>
/// <param name="Name">Verified host name, or "unknown".</param>
/// <param name="Address">IP address as text, without brackets and without "IPv6:".</param>
/// <param name="Port">TCP port, 0 when unknown.</param>
/// <param name="ReverseName">Unverified name from the address, or "unknown".</param>
/// <param name="Helo">The HELO or EHLO argument.</param>
/// <param name="Protocol">"SMTP" or "ESMTP".</param>
public sealed record ClientInfo(string Name, string Address, int Port, string ReverseName, string Helo, string Protocol)
{
    /// <summary>A local submission: no client.</summary>
    public static ClientInfo Local { get; } = new("localhost", "127.0.0.1", 0, "localhost", "", "");
}

/// <summary>One envelope recipient. Its index in <see cref="Envelope.Recipients"/> names it for the life of the message.</summary>
/// <param name="Address">The address to deliver to, external form without brackets.</param>
/// <param name="OriginalAddress">What the sender wrote (X-Original-To), or "" when the same is not known.</param>
/// <param name="DsnOriginalRecipient">ORCPT as "type;address", decoded, or "".</param>
/// <param name="Notify">NOTIFY.</param>
public sealed record EnvelopeRecipient(string Address, string OriginalAddress = "", string DsnOriginalRecipient = "", DsnNotify Notify = DsnNotify.None)
{
    /// <summary>It is there for the report alone that it was expanded: never delivered to, nor listed. These come behind all others.</summary>
    public bool IsExpanded => (Notify & DsnNotify.Expanded) != 0;
}

/// <summary>Recipients of an older message whose report this message is; both become durable together.</summary>
/// <param name="MessageId">The older message.</param>
/// <param name="Recipients">Indices in the older message's envelope.</param>
public sealed record ClosedRecipients(ulong MessageId, IReadOnlyList<int> Recipients);

/// <summary>Everything about a message that is not its content. Immutable once durable.</summary>
public sealed class Envelope
{
    /// <summary>Longest address accepted anywhere, in UTF-8 bytes.</summary>
    public const int AddressLimit = 1000;

    /// <summary>Sender address, external form without brackets; "" is the null sender.</summary>
    public string Sender { get; set; } = "";

    /// <summary>Arrival, microseconds since 1970 UTC.</summary>
    public long ArrivalMicros { get; set; }

    /// <summary>
    /// When it came into the queue, from which its lifetime and the pauses between its attempts count (Postfix: create_time). That is its arrival, or later
    /// where it waited in maildrop or was sent round again by postsuper -r.
    /// </summary>
    public long QueuedMicros =>
        long.TryParse(Attributes.Value(MessageAttributes.CreateTime), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds < uint.MaxValue
            ? Math.Max(ArrivalMicros, seconds * 1_000_000) : ArrivalMicros;

    /// <summary>Notes that it comes into the queue now. Few messages need the note: not those that have just arrived.</summary>
    /// <param name="nowMicros">Now.</param>
    public void SetQueued(long nowMicros) => Attributes = Attributes.With(
        MessageAttributes.CreateTime, nowMicros - ArrivalMicros < 60_000_000 ? "" : (nowMicros / 1_000_000).ToString(CultureInfo.InvariantCulture));

    /// <summary>
    /// Size of the content as in Postfix's size=: its lines as records of Postfix's queue files, so for each line of up to 127 bytes its bytes and 2
    /// (instead of its LF). The bytes of the content itself are <see cref="ContentLayout.Length"/>.
    /// </summary>
    public long ContentSize { get; set; }

    /// <summary>ENVID, decoded from xtext, or "".</summary>
    public string EnvelopeId { get; set; } = "";

    /// <summary>RET.</summary>
    public DsnReturn Return { get; set; }

    /// <summary>BODY.</summary>
    public BodyType Body { get; set; }

    /// <summary>How it entered.</summary>
    public MessageOrigin Origin { get; set; } = MessageOrigin.Smtpd;

    /// <summary>Options.</summary>
    public MessageFlags Flags { get; set; }

    /// <summary>The client.</summary>
    public ClientInfo Client { get; set; } = ClientInfo.Local;

    /// <summary>The last recipient known when content begins, for the log; used by cleanup and not kept.</summary>
    public string LastRecipient { get; set; } = "";

    /// <summary>Longest <see cref="FullName"/>, in UTF-16 units.</summary>
    public const int FullNameLimit = 1000;

    /// <summary>Full name of a local sender, for a From header that is added, or "". What is longer than the limit is cut by who takes it from a user.</summary>
    public string FullName { get; set; } = "";

    /// <summary>The master.cf entry it came by, such as "smtp/inet".</summary>
    public string Entry { get; set; } = "";

    /// <summary>Where all recipients go instead of where their addresses lead, "transport:nexthop" (access(5), FILTER), or "".</summary>
    public string ContentFilter
    {
        get => Attributes.Value(MessageAttributes.Filter);
        set => Attributes = Attributes.With(MessageAttributes.Filter, value);
    }

    /// <summary>The address that gets the message once, instead of all recipients (REDIRECT), or "".</summary>
    public string Redirect
    {
        get => Attributes.Value(MessageAttributes.Redirect);
        set => Attributes = Attributes.With(MessageAttributes.Redirect, value);
    }

    /// <summary>VERP: the two characters that stand for the first part of the recipient and its "@" in each sender, or "".</summary>
    public string Verp { get; set; } = "";

    /// <summary>The recipients, in the order they were given.</summary>
    public IReadOnlyList<EnvelopeRecipient> Recipients { get; set; } = [];

    /// <summary>What else is known of it: the client before the last hop, the login, the filter it goes through.</summary>
    public MessageAttributes Attributes { get; set; } = MessageAttributes.None;

    private static readonly string[] ClientAttributes =
    [
        MessageAttributes.LogClientName, MessageAttributes.LogClientAddress, MessageAttributes.LogClientPort, MessageAttributes.LogHeloName, MessageAttributes.LogProtocolName,
    ];

    /// <summary>
    /// The client as logs, commands and the next hop are told of it: who XFORWARD said, in place of who brought the message. "unknown" where that is known, empty where nothing is.
    /// </summary>
    public ClientInfo OriginalClient
    {
        get
        {
            const string Unknown = "unknown";
            var own = Client == ClientInfo.Local ? new ClientInfo("", "", 0, "", "", "") : Client;
            // Postfix: who said anything of another client has said of it what he knows; nothing is filled in from himself.
            return !ClientAttributes.Any(a => Attributes.Value(a).Length > 0) ? own : own with
            {
                Name = Attributes.Value(MessageAttributes.LogClientName, Unknown),
                Address = Attributes.Value(MessageAttributes.LogClientAddress, Unknown),
                Port = int.TryParse(Attributes.Value(MessageAttributes.LogClientPort), out var port) ? port : 0,
                // Of the five only this one is nothing where it was not said.
                Helo = Attributes.Value(MessageAttributes.LogHeloName),
                Protocol = Attributes.Value(MessageAttributes.LogProtocolName, Unknown),
            };
        }
    }

    /// <summary>Recipients of an older message that this message closes, or null: to close none is to close nothing.</summary>
    public ClosedRecipients? Closes
    {
        get;
        set => field = value is { Recipients.Count: > 0 } ? value : null;
    }

    /// <summary>The same with other recipients.</summary>
    public Envelope With(IReadOnlyList<EnvelopeRecipient> recipients)
    {
        var copy = (Envelope)MemberwiseClone();
        copy.Recipients = recipients;
        return copy;
    }
}
