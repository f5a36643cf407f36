using CsCheck;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Tests.Dsn;

public sealed class DeliveryStatusCodecTests
{
    private static readonly DeliveryStatus Full = new(
        DeliveryOutcome.Bounced, new EnhancedStatus(5, 1, 1), "host mx.example[192.0.2.1] said: 550 5.1.1 non è qui (in reply to RCPT TO command)",
        DsnAction.Failed, "smtp", "550 5.1.1 non è qui", "dns", "mx.example", "mx.example[192.0.2.1]:25");

    public static TheoryData<DeliveryStatus> Statuses =>
    [
        Full,
        DeliveryStatus.Sent("delivered to mailbox"),
        DeliveryStatus.Deferred(4, 1, ""),
        Full with { DiagnosticType = null, RemoteMta = "" },
        Full with { Recipient = "member@x.example" },
        Full with { Next = Full with { Recipient = "member@x.example", Next = DeliveryStatus.Bounced(3, 0, "") } },
    ];

    [Theory]
    [MemberData(nameof(Statuses))]
    public void A_status_survives_its_bytes(DeliveryStatus status) => Assert.Equal(status, DeliveryStatusCodec.FromBytes(DeliveryStatusCodec.ToBytes(status)));

    [Fact]
    public void Every_cut_is_refused()
    {
        var bytes = DeliveryStatusCodec.ToBytes(Full);
        for (var n = 0; n < bytes.Length; n++)
        {
            Assert.Null(DeliveryStatusCodec.FromBytes(bytes.AsSpan(0, n)));
        }
        Assert.Null(DeliveryStatusCodec.FromBytes([.. bytes, 0]));
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(1, 0)]
    [InlineData(1, 6)]
    [InlineData(2, 6)]
    [InlineData(3, 3)]
    [InlineData(5, 0xff)]
    public void A_field_out_of_range_is_refused(int at, byte value)
    {
        var bytes = DeliveryStatusCodec.ToBytes(Full);
        bytes[at] = value;
        Assert.Null(DeliveryStatusCodec.FromBytes(bytes));
    }

    [Fact]
    public void A_chain_is_cut_and_a_longer_one_is_refused()
    {
        DeliveryStatus? chain = null;
        for (var i = 0; i < 20; i++)
        {
            chain = Full with { Recipient = $"m{i}@x.example", Next = chain };
        }
        var bytes = DeliveryStatusCodec.ToBytes(chain!);
        Assert.Equal(DeliveryStatus.ChainLimit, DeliveryStatusCodec.FromBytes(bytes)!.All.Count());
        // The last byte says that none follows.
        Assert.Null(DeliveryStatusCodec.FromBytes([.. bytes[..^1], 1, .. bytes]));
        for (var n = 0; n < bytes.Length; n++)
        {
            Assert.Null(DeliveryStatusCodec.FromBytes(bytes.AsSpan(0, n)));
        }
    }

    [Fact]
    public void Long_texts_are_cut_between_characters()
    {
        var long_ = new string('a', DeliveryStatus.ReasonLimit - 1) + "😀tail";
        var back = DeliveryStatusCodec.FromBytes(DeliveryStatusCodec.ToBytes(Full with { Reason = long_, DiagnosticText = long_ + long_ }));
        Assert.NotNull(back);
        Assert.Equal(new string('a', DeliveryStatus.ReasonLimit - 1), back.Reason);
        Assert.Equal(back.Reason, back.DiagnosticText);
    }

    [Fact]
    public void Hostile_bytes_never_throw() =>
        Gen.Byte.Array[0, 200].Sample(bytes =>
        {
            if (bytes.Length > 0)
            {
                bytes[0] = DeliveryStatusCodec.Version;
            }
            var status = DeliveryStatusCodec.FromBytes(bytes);
            return status is null || DeliveryStatusCodec.FromBytes(DeliveryStatusCodec.ToBytes(status)) == status;
        });
}
