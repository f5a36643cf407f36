using System.Buffers;
using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Tests.Envelopes;

public sealed class EnvelopeCodecTests
{
    private static readonly Gen<string> Text = Gen.Char['\u0001', '\u2fff'].Array[0, 12].Select(c => new string(c));

    private static readonly Gen<Envelope> Envelopes = Gen.Select(
        Gen.Select(Text, Text, Text, Text), Gen.Select(Gen.Long, Gen.Long[0, long.MaxValue], Gen.UShort, Gen.Int[0, 65535]),
        Gen.Select(Text, Text, Text, Gen.Byte[0, 15]).Array[0, 6], Gen.Int[0, 1_000_000].Array[0, 4],
        (texts, numbers, recipients, closes) => new Envelope
        {
            Sender = texts.Item1,
            EnvelopeId = texts.Item2,
            Entry = texts.Item3,
            FullName = texts.Item2,
            ContentFilter = texts.Item4.Length > 6 ? texts.Item4 : "",
            Verp = numbers.Item4 % 2 == 0 ? "" : "+=",
            ArrivalMicros = numbers.Item1,
            ContentSize = numbers.Item2,
            Flags = (MessageFlags)numbers.Item3,
            Return = DsnReturn.Full,
            Body = BodyType.EightBitMime,
            Origin = MessageOrigin.Pickup,
            Client = new ClientInfo(texts.Item4, texts.Item1, numbers.Item4, texts.Item2, texts.Item3, "ESMTP"),
            Recipients = [.. recipients.Select(r => new EnvelopeRecipient(r.Item1, r.Item2, r.Item3, (DsnNotify)r.Item4))],
            Attributes = new MessageAttributes(recipients.Select(r => KeyValuePair.Create(r.Item1, r.Item2))),
            // Of none is as none.
            Closes = numbers.Item4 % 3 == 0 ? null : new ClosedRecipients(7, closes),
        });

    [Fact]
    public void Any_envelope_survives_its_bytes() => Envelopes.Sample(envelope =>
    {
        var bytes = Bytes(envelope);
        var reader = new FieldReader(bytes);
        var back = EnvelopeCodec.Read(ref reader);
        Assert.True(reader.Complete);
        Assert.Equal(bytes, Bytes(back!));
        Assert.Equal(envelope.Recipients, back!.Recipients);
        Assert.Equal(envelope.Client, back.Client);
        Assert.Equal(envelope.FullName, back.FullName);
        Assert.Equal(envelope.ContentFilter, back.ContentFilter);
        Assert.Equal(envelope.Verp, back.Verp);
        Assert.Equal(envelope.Attributes.Pairs, back.Attributes.Pairs);
        Assert.Equal(envelope.Closes?.Recipients ?? [], back.Closes?.Recipients ?? []);
    }, iter: 2000);

    [Fact]
    public void A_cut_envelope_is_refused_at_every_length() => Envelopes.Sample(envelope =>
    {
        var bytes = Bytes(envelope);
        for (var length = 0; length < bytes.Length; length++)
        {
            var reader = new FieldReader(bytes.AsSpan(0, length));
            Assert.Null(EnvelopeCodec.Read(ref reader));
        }
    }, iter: 50);

    [Fact]
    public void Changed_bytes_never_throw() => Gen.Select(Envelopes, Gen.Int[0, 100_000], Gen.Byte, Gen.Byte.Array[0, 40]).Sample((envelope, at, value, tail) =>
    {
        byte[] bytes = [.. Bytes(envelope), .. tail];
        bytes[at % bytes.Length] = value;
        var reader = new FieldReader(bytes);
        var back = EnvelopeCodec.Read(ref reader);
        Assert.True(back is null || back.ContentSize >= 0);
        var layout = new FieldReader(bytes);
        _ = ContentLayout.Read(ref layout);
    }, iter: 5000);

    [Fact]
    public void A_layout_survives_its_bytes()
    {
        var layout = new ContentLayout([new Extent(ExtentKind.Journal, 7, 4096, 65_536), new Extent(ExtentKind.File, 0, 1L << 40, 1 << 30)]);
        var output = new ArrayBufferWriter<byte>();
        var writer = new FieldWriter(output);
        layout.Write(ref writer);
        var reader = new FieldReader(output.WrittenSpan);
        Assert.Equal(layout.Extents, ContentLayout.Read(ref reader)!.Extents);
        Assert.True(reader.Complete);
        Assert.Equal(65_536L + (1 << 30), layout.Length);
    }

    [Fact]
    public void The_bytes_are_those_of_the_format()
    {
        var envelope = new Envelope
        {
            Sender = "s@example",
            ArrivalMicros = 0x0007060504030201,
            ContentSize = 0xD204,
            EnvelopeId = "env",
            Return = DsnReturn.Full,
            Body = BodyType.EightBitMime,
            Origin = MessageOrigin.Smtpd,
            Flags = MessageFlags.RewriteLocal | MessageFlags.Requeued,
            Client = new ClientInfo("c", "192.", 1, "a", "b", "SMTP"),
            Entry = "smtp",
            FullName = "Joe",
            Recipients = [new EnvelopeRecipient("r@x", "a", "", DsnNotify.Failure)],
        };
        // docs/formats/envelope.md: a change here is a new format.
        const string expected = "01" + "0973406578616D706C65" + "0102030405060700" + "04D2000000000000" + "03656E76" + "01" + "02" + "01" + "2800"
            + "0163" + "043139322E" + "0100" + "0161" + "0162" + "04534D5450" + "04736D7470" + "034A6F65" + "01" + "03724078" + "0161" + "00" + "04" + "00";
        Assert.Equal(expected, Convert.ToHexString(Bytes(envelope)));
        envelope.ContentFilter = "f:n";
        Assert.Equal("02" + expected[2..] + "01" + "0666696C746572" + "03663A6E", Convert.ToHexString(Bytes(envelope)));
    }

    private static byte[] Bytes(Envelope envelope)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new FieldWriter(output);
        EnvelopeCodec.Write(envelope, ref writer);
        return output.WrittenSpan.ToArray();
    }
}
