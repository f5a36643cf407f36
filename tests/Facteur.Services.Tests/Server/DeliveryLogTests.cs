using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Server;
using Facteur.Testing;

namespace Facteur.Services.Tests.Server;

public sealed class DeliveryLogTests
{
    private const long Second = 1_000_000;
    private readonly TestLog _log = new();

    [Theory]
    [InlineData(0, "0")]
    [InlineData(4_000, "0")]
    [InlineData(6_000, "0.01")]
    [InlineData(40_000, "0.04")]
    [InlineData(100_000, "0.1")]
    [InlineData(214_900, "0.21")]
    [InlineData(995_001, "1")]
    [InlineData(1_240_000, "1.2")]
    [InlineData(9_960_000, "10")]
    [InlineData(12_499_999, "12")]
    [InlineData(86_400_000_000, "86400")]
    [InlineData(-5, "0")]
    public void Delays_have_two_significant_digits(long micros, string text)
    {
        Span<char> into = stackalloc char[24];
        Assert.Equal(text, into[..DeliveryLog.FormatDelay(micros, 2, into)].ToString());
    }

    [Theory]
    [InlineData(3_456, 6, "0.0035")]
    [InlineData(34, 6, "0.000034")]
    [InlineData(3, 6, "0.000003")]
    [InlineData(1_240_000, 0, "1")]
    public void Delays_follow_the_resolution_limit(long micros, int resolution, string text)
    {
        Span<char> into = stackalloc char[24];
        Assert.Equal(text, into[..DeliveryLog.FormatDelay(micros, resolution, into)].ToString());
    }

    [Fact]
    public void A_line_without_connection()
    {
        var result = Write(Request(), new EnvelopeRecipient("bob@dest.example"), DeliveryStatus.Sent("delivered to mailbox"), "local");
        Assert.Equal("postfix/local: Q1: to=<bob@dest.example>, relay=local, delay=1.5, delays=1/0.25/0/0.25, dsn=2.0.0, status=sent (delivered to mailbox)", _log.Lines[0]);
        Assert.Equal(7, result.Index);
    }

    [Fact]
    public void Addresses_stand_without_quotes_where_that_is_wanted()
    {
        DeliveryLog.Write(
            new ServiceLog(_log, "postfix/local", internalAddresses: true), Request(), new DeliveryRecipient(7, new EnvelopeRecipient("\"a b\"@dest.example", "\"c \\\"d\"@dest.example")),
            DeliveryStatus.Sent("delivered to mailbox"), new DeliveryTimes(3 * Second, 4 * Second, 14 * Second), "local");
        Assert.StartsWith("postfix/local: Q1: to=<a b@dest.example>, orig_to=<c \"d@dest.example>, relay=local,", _log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_with_everything()
    {
        DeliveryLog.Write(
            new ServiceLog(_log, "postfix/smtp"), Request(), new DeliveryRecipient(7, new EnvelopeRecipient("x@y.example", "X@z.example")),
            DeliveryStatus.Deferred(2, 0, "host a[1.2.3.4] said: 450 no (in reply to RCPT TO command)"),
            new DeliveryTimes(3 * Second, 4 * Second, 14 * Second), "a[1.2.3.4]:25", 3, "may:none");
        Assert.Equal(
            "postfix/smtp: Q1: to=<x@y.example>, orig_to=<X@z.example>, relay=a[1.2.3.4]:25, conn_use=3, delay=13, delays=1/1/1/10, tls=may:none, dsn=4.2.0,"
            + " status=deferred (host a[1.2.3.4] said: 450 no (in reply to RCPT TO command))",
            _log.Lines[0]);
    }

    [Fact]
    public void An_original_address_that_differs_in_case_only_is_not_logged()
    {
        Write(Request(), new EnvelopeRecipient("x@y.example", "X@Y.example"), DeliveryStatus.Sent("ok"), "local");
        Assert.DoesNotContain("orig_to", _log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Soft_bounce_defers_and_says_so()
    {
        var result = Write(Request(), new EnvelopeRecipient("x@y.example"), DeliveryStatus.Bounced(1, 1, "no"), "local", softBounce: true);
        Assert.Contains("dsn=4.1.1, status=SOFTBOUNCE (no)", _log.Lines[0], StringComparison.Ordinal);
        Assert.Equal((DeliveryOutcome.Deferred, new EnhancedStatus(4, 1, 1)), (result.Status.Outcome, result.Status.Status));
    }

    [Fact]
    public void A_probe_is_deliverable_or_not()
    {
        var request = Request(DeliveryFlags.VerifyOnly);
        Assert.Equal(DeliveryOutcome.Deliverable, Write(request, new EnvelopeRecipient("x@y"), DeliveryStatus.Sent("ok"), "local").Status.Outcome);
        Assert.Equal(DeliveryOutcome.Undeliverable, Write(request, new EnvelopeRecipient("x@y"), DeliveryStatus.Bounced(1, 1, "no"), "local").Status.Outcome);
        Assert.Contains("status=undeliverable (no)", _log.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void The_relay_goes_to_a_report_of_success_only()
    {
        Assert.Equal("local", Write(Request(), new EnvelopeRecipient("x@y", Notify: DsnNotify.Success), DeliveryStatus.Sent("ok"), "local").Status.Relay);
        Assert.Null(Write(Request(), new EnvelopeRecipient("x@y", Notify: DsnNotify.Success), DeliveryStatus.Sent("ok"), "none").Status.Relay);
        Assert.Null(Write(Request(), new EnvelopeRecipient("x@y"), DeliveryStatus.Sent("ok"), "local").Status.Relay);
    }

    private RecipientResult Write(DeliveryRequest request, EnvelopeRecipient recipient, DeliveryStatus status, string relay, bool softBounce = false) =>
        DeliveryLog.Write(
            new ServiceLog(_log, "postfix/local"), request, new DeliveryRecipient(7, recipient), status,
            new DeliveryTimes(2 * Second + Second / 4, 0, 2 * Second + Second / 2), relay, softBounce: softBounce);

    private static DeliveryRequest Request(DeliveryFlags flags = DeliveryFlags.None) => new()
    {
        RequestId = 1,
        MessageId = 2,
        QueueId = "Q1",
        Transport = "smtp",
        Nexthop = "y.example",
        Envelope = new Envelope { ArrivalMicros = Second },
        Recipients = [],
        Layout = new ContentLayout([]),
        ActiveMicros = 2 * Second,
        Flags = flags,
    };
}
