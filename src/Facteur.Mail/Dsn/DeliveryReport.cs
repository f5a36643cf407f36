using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Dsn;

/// <summary>
/// Writes one delivery report (RFC 3462, 3464; RFC 6533 for SMTPUTF8) piece by piece, so that a report on many recipients never lies in
/// memory as a whole: header, a reason per recipient, the status part, a status per recipient, the head of the returned message, the end.
/// The returned message itself is copied by the caller between <see cref="WriteOriginalHead"/> and <see cref="WriteEnd"/>.
/// </summary>
public sealed class DeliveryReport
{
    private const int LineWidth = 79;
    private const int Indent = 4;

    /// <summary>Headers and introduction, expanded.</summary>
    public required BounceTemplate Template { get; init; }

    /// <summary>This host, $myhostname.</summary>
    public required string Hostname { get; init; }

    /// <summary>$mail_name, in the names of extension fields.</summary>
    public required string MailName { get; init; }

    /// <summary>Queue id of the message reported on.</summary>
    public required string QueueId { get; init; }

    /// <summary>Envelope of the message reported on.</summary>
    public required Envelope Original { get; init; }

    /// <summary>Whom the report goes to.</summary>
    public required string To { get; init; }

    /// <summary>Now, with the local offset.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>maximal_queue_lifetime: a delay report says until when it is tried.</summary>
    public TimeSpan QueueLifetime { get; init; }

    /// <summary>A postmaster's copy: other subject, no introduction.</summary>
    public bool PostmasterCopy { get; init; }

    /// <summary>Only the headers of the message are returned.</summary>
    public bool HeadersOnly { get; init; }

    /// <summary>header_from_format = obsolete.</summary>
    public bool ObsoleteFrom { get; init; }

    /// <summary>Message-ID of the original with its brackets, for References and In-Reply-To; null for none.</summary>
    public string? ThreadId { get; init; }

    private bool Utf8 => (Original.Flags & MessageFlags.SmtpUtf8) != 0;

    // Only a sender that promised 7BIT gets a report without an encoding.
    private bool EightBit => Original.Body != BodyType.SevenBit || Utf8;

    private string Boundary => $"{QueueId}.{Now.ToUnixTimeSeconds()}/{Hostname}";

    // Postfix: the null sender is shown as MAILER-DAEMON@$myhostname.
    private string Sender => Original.Sender.Length > 0 ? Original.Sender : $"MAILER-DAEMON@{Hostname}";

    /// <summary>The header of the report and its introduction.</summary>
    public void WriteHeader(IBufferWriter<byte> output)
    {
        Line(output, $"Date: {Date(Now)}");
        Line(output, $"From: {(Template.OwnFrom ? Template.From : FormatFrom(Template.From, ObsoleteFrom))}");
        Line(output, $"Subject: {(PostmasterCopy ? Template.PostmasterSubject : Template.Subject)}");
        Line(output, $"To: {To}");
        if (ThreadId is not null)
        {
            Line(output, $"References: {ThreadId}");
            Line(output, $"In-Reply-To: {ThreadId}");
        }
        // RFC 3834 section 5.
        Line(output, $"Auto-Submitted: {(PostmasterCopy ? "auto-generated" : "auto-replied")}");
        Line(output, "MIME-Version: 1.0");
        Line(output, "Content-Type: multipart/report; report-type=delivery-status;");
        Line(output, $"\tboundary=\"{Boundary}\"");
        Encoding8Bit(output);
        Line(output, "");
        Line(output, "This is a MIME-encapsulated message.");
        Part(output, "Notification", $"text/plain; charset={Template.Charset}", EightBit);
        if (!PostmasterCopy)
        {
            Text(output, Template.Text);
        }
    }

    /// <summary>One recipient and its reason, for people.</summary>
    public void WriteReason(EnvelopeRecipient recipient, DeliveryStatus status, IBufferWriter<byte> output)
    {
        Line(output, "");
        var expanded = recipient.OriginalAddress.Length > 0 && !recipient.OriginalAddress.Equals(recipient.Address, StringComparison.OrdinalIgnoreCase)
            ? $" (expanded from <{recipient.OriginalAddress}>)" : "";
        Wrapped(output, $"<{recipient.Address}>{expanded}: {Reason(status)}");
    }

    /// <summary>The head of the part for programs.</summary>
    public void WriteStatusHead(IBufferWriter<byte> output)
    {
        Part(output, "Delivery report", Utf8 ? "message/global-delivery-status" : "message/delivery-status", Utf8);
        // RFC 3464 section 2.2.
        Line(output, $"Reporting-MTA: dns; {Hostname}");
        if (Original.EnvelopeId.Length > 0)
        {
            Line(output, $"Original-Envelope-Id: {Original.EnvelopeId}");
        }
        Line(output, $"X-{MailName}-Queue-ID: {QueueId}");
        Line(output, $"X-{MailName}-Sender: {AddressType(Sender)}; {Sender}");
        if (Original.ArrivalMicros > 0)
        {
            Line(output, $"Arrival-Date: {Date(Arrival)}");
        }
    }

    /// <summary>One recipient's fields (RFC 3464 section 2.3).</summary>
    public void WriteStatus(EnvelopeRecipient recipient, DeliveryStatus status, IBufferWriter<byte> output)
    {
        Line(output, "");
        Line(output, $"Final-Recipient: {AddressType(recipient.Address)}; {recipient.Address}");
        // Postfix: given also when no ORCPT was, because a relay passes one on; not of an address of which nothing else is known, as a list's command.
        if (recipient.DsnOriginalRecipient.Length > 0)
        {
            Line(output, $"Original-Recipient: {recipient.DsnOriginalRecipient}");
        }
        else if (recipient.OriginalAddress.Length > 0)
        {
            Line(output, $"Original-Recipient: {AddressType(recipient.OriginalAddress)};{recipient.OriginalAddress}");
        }
        Line(output, $"Action: {Action(status)}");
        Line(output, $"Status: {status.Status}");
        if (status.RemoteMtaType is { Length: > 0 } type && status.RemoteMta is { Length: > 0 } mta)
        {
            Wrapped(output, $"Remote-MTA: {type}; {mta}");
        }
        Wrapped(output, status.DiagnosticType is { Length: > 0 } diagnostic && status.DiagnosticText is { Length: > 0 } text
            ? $"Diagnostic-Code: {diagnostic}; {text}" : $"Diagnostic-Code: X-{MailName}; {Reason(status)}");
        if (Template.Kind == BounceTemplateKind.Delay)
        {
            Line(output, $"Will-Retry-Until: {Date(Arrival + QueueLifetime)}");
        }
    }

    /// <summary>The head of the returned message, with its Return-Path.</summary>
    public void WriteOriginalHead(IBufferWriter<byte> output)
    {
        var adjective = Template.Kind is BounceTemplateKind.Failure or BounceTemplateKind.Delay ? "Undelivered " : "";
        var type = (Utf8, HeadersOnly) switch
        {
            (true, true) => "message/global-headers",
            (true, false) => "message/global",
            (false, true) => "text/rfc822-headers",
            (false, false) => "message/rfc822",
        };
        Part(output, $"{adjective}Message{(HeadersOnly ? " Headers" : "")}", type, EightBit);
        Line(output, $"Return-Path: <{Sender}>");
    }

    /// <summary>What follows the returned message.</summary>
    public void WriteEnd(IBufferWriter<byte> output)
    {
        Line(output, "");
        Line(output, $"--{Boundary}--");
    }

    /// <summary>The From: header's value in the form asked for by header_from_format.</summary>
    /// <param name="from">"address (name)" or "name &lt;address&gt;".</param>
    /// <param name="obsolete">"address (name)" instead of "name &lt;address&gt;".</param>
    internal static string FormatFrom(string from, bool obsolete)
    {
        string name, address;
        if (from.IndexOf('(', StringComparison.Ordinal) is > 0 and var open && from.EndsWith(')'))
        {
            (address, name) = (from[..open].Trim(), from[(open + 1)..^1].Trim());
        }
        else if (from.LastIndexOf('<') is > 0 and var angle && from.EndsWith('>'))
        {
            (name, address) = (from[..angle].Trim().Trim('"'), from[(angle + 1)..^1].Trim());
        }
        else
        {
            return from;
        }
        var atoms = name.Split(' ');
        return obsolete ? $"{address} ({name})"
            : Array.TrueForAll(atoms, a => AddressParts.IsDotString(a)) ? $"{name} <{address}>"
            : $"\"{name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\" <{address}>";
    }

    private DateTimeOffset Arrival => DateTimeOffset.UnixEpoch.AddTicks(Original.ArrivalMicros * 10).ToOffset(Now.Offset);

    private static string Date(DateTimeOffset time) =>
        time.ToString("ddd, d MMM yyyy HH:mm:ss ", CultureInfo.InvariantCulture) + time.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal);

    // RFC 6533 section 3: the type utf-8 only for addresses that need it.
    private string AddressType(string address) => Utf8 && !Ascii.IsValid(address) ? "utf-8" : "rfc822";

    private string Reason(DeliveryStatus status) =>
        status.Relay is { Length: > 0 } relay && Template.Kind is BounceTemplateKind.Success or BounceTemplateKind.Verify
            && (Template.Kind == BounceTemplateKind.Verify || status.Outcome is DeliveryOutcome.Sent or DeliveryOutcome.Deliverable or DeliveryOutcome.Undeliverable)
            ? $"delivery via {relay}: {status.Reason}" : status.Reason.Length > 0 ? status.Reason : "(description unavailable)";

    private string Action(DeliveryStatus status) => Template.Kind switch
    {
        // Postfix: a deferral that ended the message's time in the queue is reported as failed.
        BounceTemplateKind.Failure => "failed",
        BounceTemplateKind.Delay => "delayed",
        _ => (status.Action, status.Outcome) switch
        {
            (_, DeliveryOutcome.Deliverable) => "deliverable",
            (_, DeliveryOutcome.Undeliverable) => "undeliverable",
            (DsnAction.Failed, _) or (DsnAction.None, DeliveryOutcome.Bounced) => "failed",
            (DsnAction.Delayed, _) or (DsnAction.None, DeliveryOutcome.Deferred) => "delayed",
            (DsnAction.Relayed, _) => "relayed",
            (DsnAction.Expanded, _) => "expanded",
            _ => "delivered",
        },
    };

    private void Part(IBufferWriter<byte> output, string description, string type, bool encoded)
    {
        Line(output, "");
        Line(output, $"--{Boundary}");
        Line(output, $"Content-Description: {description}");
        Line(output, $"Content-Type: {type}");
        if (encoded)
        {
            Encoding8Bit(output);
        }
        Line(output, "");
    }

    private void Encoding8Bit(IBufferWriter<byte> output)
    {
        if (EightBit)
        {
            Line(output, "Content-Transfer-Encoding: 8bit");
        }
    }

    // No control character gets from an address or a peer's text into the structure.
    private static void Line(IBufferWriter<byte> output, string text)
    {
        var span = output.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length) + 1);
        var n = Encode(text, span);
        span[n] = (byte)'\n';
        output.Advance(n + 1);
    }

    private static void Wrapped(IBufferWriter<byte> output, string text)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        var n = Encode(text, rented);
        LineWrap.Write(rented.AsSpan(0, n), LineWidth, Indent, output);
        ArrayPool<byte>.Shared.Return(rented);
    }

    private static int Encode(string text, Span<byte> into)
    {
        var n = Encoding.UTF8.GetBytes(text, into);
        var bytes = into[..n];
        for (var i = 0; i < n; i++)
        {
            if ((bytes[i] < ' ' && bytes[i] != '\t') || bytes[i] == 0x7f)
            {
                bytes[i] = (byte)'?';
            }
        }
        return n;
    }

    private static void Text(IBufferWriter<byte> output, string text)
    {
        var n = Encoding.UTF8.GetBytes(text, output.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length)));
        output.Advance(n);
    }
}
