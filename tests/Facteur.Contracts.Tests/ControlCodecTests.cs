using System.Buffers;
using CsCheck;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

public sealed class ControlCodecTests
{
    public static TheoryData<ControlRequest> Requests =>
    [
        new ControlRequest(ControlRequestKind.List, 12345, 200),
        new ControlRequest(ControlRequestKind.Flush),
        new ControlRequest(ControlRequestKind.FlushMessage, ulong.MaxValue),
        new ControlRequest(ControlRequestKind.FlushSite, Text: "bücher.example"),
        new ControlRequest(ControlRequestKind.Super, 7, Operation: SuperOperation.ForceExpire),
        new ControlRequest(ControlRequestKind.SuperAll, Operation: SuperOperation.Delete, Text: "deferred"),
        new ControlRequest(ControlRequestKind.Find, 1),
        new ControlRequest(ControlRequestKind.Content, 1),
        new ControlRequest(ControlRequestKind.Kick),
    ];

    [Theory]
    [MemberData(nameof(Requests))]
    public void A_request_survives_its_bytes(ControlRequest request)
    {
        var bytes = Bytes(request);
        Assert.Equal(request, ControlCodec.ReadRequest(bytes));
        Assert.Null(ControlCodec.ReadRequest([.. bytes, 0]));
        for (var n = 0; n < bytes.Length; n++)
        {
            Assert.Null(ControlCodec.ReadRequest(bytes.AsSpan(0, n)));
        }
    }

    [Fact]
    public void What_no_version_of_ours_wrote_is_refused()
    {
        var bytes = Bytes(new ControlRequest(ControlRequestKind.Super, 1, Operation: SuperOperation.Hold));
        foreach (var (at, value) in new (int, byte)[] { (0, 2), (1, 0), (1, 10), (1, (byte)ControlRequestKind.Flush), (11, 0), (11, 7) })
        {
            var changed = (byte[])bytes.Clone();
            changed[at] = value;
            Assert.Null(ControlCodec.ReadRequest(changed));
        }
    }

    [Fact]
    public void The_bytes_of_a_request_stay_as_documented() =>
        Assert.Equal("0106" + "0000000000000000" + "00" + "01" + "0104686F6C64", Convert.ToHexString(Bytes(new ControlRequest(ControlRequestKind.SuperAll, Operation: SuperOperation.Delete, Text: "hold"))));

    [Fact]
    public void A_listed_message_and_its_recipients_survive()
    {
        var buffer = new ArrayBufferWriter<byte>();
        var writer = ControlCodec.Start(ControlReplyKind.Message, buffer);
        var message = new ListedMessage("hold", "4QABC", 1_788_256_800, 265, true, "bob@dest.example", []);
        var recipient = new ListedRecipient("a@b.example", "c@d.example", "deferred transport", true);
        ControlCodec.WriteMessage(message, ref writer);
        ControlCodec.WriteRecipient(recipient, ref writer);
        var reader = new FieldReader(buffer.WrittenSpan);
        Assert.Equal(ControlReplyKind.Message, ControlCodec.ReadKind(ref reader));
        Assert.Equal(message, ControlCodec.ReadMessage(ref reader, message.Recipients));
        Assert.Equal(recipient, ControlCodec.ReadRecipient(ref reader));
        Assert.True(reader.Complete);
    }

    [Fact]
    public void Hostile_requests_never_throw() =>
        Gen.Byte.Array[0, 64].Sample(bytes =>
        {
            if (bytes.Length > 1)
            {
                (bytes[0], bytes[1]) = (ControlCodec.Version, (byte)(bytes[1] % 11));
            }
            return ControlCodec.ReadRequest(bytes) is not { } request || ControlCodec.ReadRequest(Bytes(request)) == request;
        });

    private static byte[] Bytes(ControlRequest request)
    {
        var buffer = new ArrayBufferWriter<byte>();
        ControlCodec.Write(request, buffer);
        return buffer.WrittenSpan.ToArray();
    }
}
