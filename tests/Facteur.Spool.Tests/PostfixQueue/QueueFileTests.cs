using System.Buffers;
using System.Globalization;
using System.Text;
using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.Maildrop;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Spool.Tests.PostfixQueue;

/// <summary>Postfix's queue files as bytes: what Postfix writes, what we write, and anything else.</summary>
public sealed class QueueFileTests
{
    /// <summary>What Postfix 3.7 left of a message into which a milter put headers, a recipient, another sender and a longer body: records joined by pointers.</summary>
    private const string Edited =
        "435f20202020202020202020202033343220202020202020202020202020373136202020202020202020202020202020332020202020202020202020202020203020202020202020202020"
        + "202020333736202020202020202020202020202020305411313739353339373936352034393536393341166372656174655f74696d653d3137393533393739363541156c6f675f6964656e"
        + "743d37423044413335453035354115726577726974655f636f6e746578743d6c6f63616c700f20202020202020202020203133323341196c6f675f636c69656e745f6e616d653d6c6f6361"
        + "6c686f7374411c6c6f675f636c69656e745f616464726573733d3132372e302e302e3141156c6f675f636c69656e745f706f72743d343733393441276c6f675f6d6573736167655f6f7269"
        + "67696e3d6c6f63616c686f73745b3132372e302e302e315d41196c6f675f68656c6f5f6e616d653d636c69656e742e7465737441176c6f675f70726f746f636f6c5f6e616d653d45534d54"
        + "504115636c69656e745f6e616d653d6c6f63616c686f7374411d726576657273655f636c69656e745f6e616d653d6c6f63616c686f73744118636c69656e745f616464726573733d313237"
        + "2e302e302e314111636c69656e745f706f72743d343733393441187365727665725f616464726573733d3132372e302e302e3141107365727665725f706f72743d32373938411568656c6f"
        + "5f6e616d653d636c69656e742e74657374411370726f746f636f6c5f6e616d653d45534d54504115636c69656e745f616464726573735f747970653d32411d64736e5f6f7269675f726370"
        + "743d7266633832323b7240792e746573744f087240792e7465737452087240792e74657374412064736e5f6f7269675f726370743d7266633832323b676f6e6540792e746573744f0b676f"
        + "6e6540792e746573742f0b676f6e6540792e74657374700f2020202020202020202020313237384d004e3252656365697665643a2066726f6d20636c69656e742e7465737420286c6f6361"
        + "6c686f7374205b3132372e302e302e315d294e300962792070662e746573742028506f73746669782920776974682045534d54502069642037423044413335453035353b4e26094d6f6e2c"
        + "203233204e6f7620323032362030313a33393a3235202b30303030202855544329700f2020202020202020202020313131364e0d546f3a20724070662e746573747701304e304d65737361"
        + "67652d49643a203c32303236313132333031333932352e37423044413335453035354070662e746573743e4e2b446174653a204d6f6e2c203233204e6f7620323032362030313a33393a32"
        + "35202b303030302028555443294e0e46726f6d3a207340782e74657374700f2020202020202020202020313037394e004e0a61206e657720626f6479700f20202020202020202020203133"
        + "35392020202020305800700f20202020202020202020202020203045004e12582d41646465643a206279206d696c746572700f2020202020202020202020313032314e30582d496e736572"
        + "7465643a206669727374206f6620616c6c2c20616e64206c6f6e676572207468616e20697420776173700f202020202020202020202031323030700f202020202020202020202020383735"
        + "4e3b5375626a6563743a2061206e657720616e64206d756368206c6f6e676572207375626a656374207468616e20746865206f6c64206f6e6520776173700f202020202020202020202020"
        + "3837354f0c616464656440792e74657374520c616464656440792e74657374700f202020202020202020202020373134530e6368616e67656440782e74657374700130700f202020202020"
        + "2020202020203230334e0a61206e657720626f64794e0a61206e657720626f64794e0f7768696368206973206c6f6e6765724e012e4e0b656e6420776974686f7574700f20202020202020"
        + "2020202031303538";

    private const string EditedContent =
        "Received: from client.test (localhost [127.0.0.1])\n\tby pf.test (Postfix) with ESMTP id 7B0DA35E055;\n\tMon, 23 Nov 2026 01:39:25 +0000 (UTC)\n"
        + "X-Inserted: first of all, and longer than it was\nSubject: a new and much longer subject than the old one was\nTo: r@pf.test\n"
        + "Message-Id: <20261123013925.7B0DA35E055@pf.test>\nDate: Mon, 23 Nov 2026 01:39:25 +0000 (UTC)\nFrom: s@x.test\nX-Added: by milter\n\n"
        + "a new body\na new body\na new body\nwhich is longer\n.\nend without\n";

    [Fact]
    public void Reads_what_Postfix_and_a_milter_wrote()
    {
        var (message, content, wrong) = Read(Convert.FromHexString(Edited));
        Assert.Null(wrong);
        Assert.Equal(EditedContent, Encoding.Latin1.GetString(content));
        // Postfix's own number leaves out what the milter did to the header.
        Assert.Equal(EditedContent.Split('\n')[..^1].Sum(line => line.Length + 2), message.ContentSize);
        var envelope = message.Envelope();
        Assert.Equal(("changed@x.test", MessageOrigin.Smtpd, MessageFlags.RewriteLocal), (envelope.Sender, envelope.Origin, envelope.Flags));
        Assert.Equal(new ClientInfo("localhost", "127.0.0.1", 47394, "localhost", "client.test", "ESMTP"), envelope.Client);
        Assert.Equal(
            [
                new QueueFileRecipient(new EnvelopeRecipient("r@y.test", "r@y.test", "rfc822;r@y.test"), 627, false),
                new QueueFileRecipient(new EnvelopeRecipient("gone@y.test", "gone@y.test", "rfc822;gone@y.test"), 684, true),
                new QueueFileRecipient(new EnvelopeRecipient("added@y.test", "added@y.test"), 1292, false),
            ],
            message.Recipients);
    }

    [Fact]
    public void A_file_that_is_cut_is_refused_wherever_it_is_cut()
    {
        var whole = Convert.FromHexString(Edited);
        for (var length = 0; length < whole.Length; length++)
        {
            // Nothing but its end is behind the last jump.
            var (message, _, wrong) = Read(whole[..length]);
            Assert.True(wrong is not null && !message.Ended, $"{length} bytes");
        }
    }

    [Fact]
    public void A_changed_byte_never_throws_or_goes_on_for_ever()
    {
        var whole = Convert.FromHexString(Edited);
        foreach (var value in (byte[])[0, (byte)'0', (byte)'7', (byte)'p', (byte)'R', 0x7f, 0x80, 0xff])
        {
            for (var at = 0; at < whole.Length; at++)
            {
                var changed = whole.ToArray();
                changed[at] = value;
                var (message, content, wrong) = Read(changed);
                Assert.Equal(wrong is null, message.Ended);
                Assert.True(content.Length <= whole.Length);
            }
        }
    }

    [Fact]
    public void Any_bytes_end()
    {
        var types = Gen.Char["CTASROD/WVKIL>MNXEpwPrefdm@"];
        var record = Gen.Select(types, Gen.OneOf(Gen.Byte.Array[0, 40], Gen.Long[0, 400].Select(n => Encoding.Latin1.GetBytes($"{n,15}"))), static (type, data) => Record(type, data));
        var file = Gen.OneOf(Gen.Byte.Array[0, 400], record.Array[0, 30].Select(records => records.SelectMany(bytes => bytes).ToArray()));
        file.Sample(bytes =>
        {
            var (message, content, wrong) = Read(bytes);
            return message.Ended == wrong is null && content.Length <= bytes.Length * 2;
        }, iter: 20_000);
    }

    [Theory]
    [InlineData("C|T 1|S a|M|p 0|p 0|X|E", null)]
    [InlineData("C|T 1|S a|p 2|M|X|E", "pointer records go in a circle")]
    [InlineData("C|T 1|S a|M|N x|p 105|X|E", "pointer records go in a circle")]
    [InlineData("C|T 1|S a|p 99999|M|X|E", "pointer record at 103 points nowhere")]
    [InlineData("C|T 1|S a|p -5|M|X|E", "pointer record at 103 points nowhere")]
    [InlineData("C|T 1|S a|p 1 2|M|X|E", "pointer record at 103 points nowhere")]
    [InlineData("T 1|S a|M|X|E", "no size record")]
    [InlineData("C|S a|M|X|E", "no arrival time record")]
    [InlineData("C|T 1|M|X|E", "no sender record")]
    [InlineData("C|T 1|S a|M|X", "file ends without an end record")]
    [InlineData("C|T 1|S a|M|R x|X|E", "unexpected record type 82 at 105")]
    [InlineData("C|T 1|S a|Y|M|X|E", "unexpected record type 89 at 103")]
    [InlineData("C|T 1|S a|L smtp:\0x|M|X|E", "control character in text")]
    [InlineData("C|T 1|S a|I smtp:[filter]|M|X|E", "it is to go through a content filter")]
    [InlineData("C|T 1|S a|V +|M|X|E", "it asks for VERP in a way that makes no sense")]
    [InlineData("C|T 1|S a|A trace_flags=256|M|X|E", "it is a probe of an address")]
    [InlineData("C|T 1|S a\nb|M|X|E", "control character in text")]
    [InlineData("C 1 1 1 0 1 256|T 1|S a|M|X|E", "it asks for a way of sending that is not available (REQUIRETLS)")]
    [InlineData("C 1 x|T 1|S a|M|X|E", "invalid size record")]
    public void Refuses_what_would_not_be_delivered_as_Postfix_would(string records, string? expected) => Assert.Equal(expected, Read(Records(records)).Wrong);

    [Theory]
    [InlineData("C|T 1|S a|L smtp:[filter]|M|X|E")]
    [InlineData("C|T 1|S a|M|X|L smtp:[filter]|E")]
    public void A_content_filter_is_kept(string records) => Assert.Equal("smtp:[filter]", Read(Records(records)).Message.Envelope().ContentFilter);

    [Fact]
    public void Only_an_address_to_deliver_to_or_report_to_must_be_UTF8()
    {
        var (message, _, wrong) = Read(Records("C|T 1|S a|A sasl_username=j\u00f6\nrg|A dsn_orig_rcpt=rfc822;\u00f6|O \u00f6@x.test|R b@x.test|M|X|E"));
        Assert.Null(wrong);
        var envelope = message.Envelope();
        Assert.Equal([new EnvelopeRecipient("b@x.test", "\ufffd@x.test", "rfc822;\ufffd")], envelope.Recipients);
        Assert.Equal("j\ufffd?rg", envelope.Attributes.Value(MessageAttributes.SaslUsername));
        Assert.Equal("text is not UTF-8", Read(Records("C|T 1|S a|R \u00f6@x.test|M|X|E")).Wrong);
        Assert.Equal("text is not UTF-8", Read(Records("C|T 1|S \u00f6@x.test|M|X|E")).Wrong);
    }

    [Theory]
    [InlineData(1000, 1000)]
    [InlineData(1030, 1000)]
    [InlineData(900, 1000)]
    [InlineData(5000, 5000)]
    public void The_beginning_of_a_lifetime_is_kept_when_it_is_not_the_arrival(long created, long expected)
    {
        var envelope = Read(Records($"C|T 1000|A create_time={created}|S a|M|X|E")).Message.Envelope();
        Assert.Equal((1_000_000_000, expected * 1_000_000), (envelope.ArrivalMicros, envelope.QueuedMicros));
        Assert.Contains($"A create_time={expected}", Plain(Write(envelope, "x\n", _ => false, null)));
    }

    [Fact]
    public void Redirected_mail_goes_to_one_address_once()
    {
        var (message, _, wrong) = Read(Records("C|T 1|S a|O o|D done|R one|R two|M|X|> other@x.test|E"));
        Assert.Null(wrong);
        Assert.True(message.IsRedirected);
        Assert.Equal([new EnvelopeRecipient("other@x.test")], message.Envelope().Recipients);
    }

    [Fact]
    public void Killed_attributes_do_not_count_and_flags_do()
    {
        Assert.Equal(MessageFlags.None, Read(Records("C|T 1|S a|K trace_flags=1024|A rewrite_context=remote|M|X|E")).Message.Envelope().Flags);
        Assert.Equal(MessageFlags.ReportDeliveries | MessageFlags.RewriteLocal, Read(Records("C|T 1|S a|A trace_flags=1024|M|X|E")).Message.Envelope().Flags);
        Assert.Equal(MessageFlags.VerifyOnly | MessageFlags.SmtpUtf8 | MessageFlags.RewriteLocal, Read(Records("C 1 1 1 0 1 1|T 1|S a|A trace_flags=512|M|X|E")).Message.Envelope().Flags);
        Assert.Equal("Joe Full", Read(Records("C|T 1|F Joe Full|S a|M|X|E")).Message.Envelope().FullName);
        Assert.True(Read(Records("C|T 1|S a|W               0|M|X|E")).Message.IsWarned);
        Assert.False(Read(Records("C|T 1|S a|W      1795399271|M|X|E")).Message.IsWarned);
    }

    [Fact]
    public void Writes_as_Postfix_does()
    {
        var envelope = new Envelope
        {
            Sender = "s@x.test",
            FullName = "Joe Full",
            ArrivalMicros = 1_795_395_671_090_091,
            EnvelopeId = "abc+def",
            Return = DsnReturn.Headers,
            Body = BodyType.EightBitMime,
            Flags = MessageFlags.RewriteLocal,
            Client = new ClientInfo("localhost", "127.0.0.1", 47914, "localhost", "client.test", "ESMTP"),
            Recipients = [new("\"later b\"@y.test", "later@x.test", "rfc822;b@y.test", DsnNotify.Delay), new("good@y.test")],
        };
        var file = Write(envelope, "Subject: x\n\n" + new string('l', 2800) + "\n", i => i == 1, 0);
        var expected = "C            2820             710               2              16            2820               0|T 1795395671 90091|A create_time=1795395671|A log_ident=ABCDEF"
            + "|A rewrite_context=local|A envelope_id=abc+def|A ret_flags=2|F Joe Full|S s@x.test|A encoding=8bit|A log_client_name=localhost|A log_client_address=127.0.0.1|A log_client_port=47914"
            + "|A log_message_origin=localhost[127.0.0.1]|A log_helo_name=client.test|A log_protocol_name=ESMTP|A client_name=localhost|A reverse_client_name=localhost|A client_address=127.0.0.1"
            + "|A client_port=47914|A helo_name=client.test|A protocol_name=ESMTP|A client_address_type=2"
            + "|W               0|A notify_flags=8|A dsn_orig_rcpt=rfc822;b@y.test|O later@x.test|R later b@y.test|O good@y.test|D good@y.test"
            + "|M |N Subject: x|N |L " + new string('l', 2048) + "|N " + new string('l', 752) + "|X |E ";
        Assert.Equal(expected.Split('|'), Plain(file));
        Assert.Equal("M\0N\nSubject: x", Encoding.Latin1.GetString(file, 710 - 2, 14));
        Assert.Equal("X\0E\0", Encoding.Latin1.GetString(file, 710 + 2820, 4));
    }

    [Fact]
    public void Writes_what_an_earlier_hop_said_and_who_logged_in()
    {
        var envelope = new Envelope
        {
            Sender = "s@x.test",
            Client = new ClientInfo("filter.test", "127.0.0.1", 47914, "filter.test", "client.test", "ESMTP"),
            Attributes = MessageAttributes.None.With(MessageAttributes.LogIdent, "abc").With(MessageAttributes.LogClientName, "orig.test").With(MessageAttributes.LogClientAddress, "192.0.2.9")
                .With(MessageAttributes.LogClientPort, "unknown").With(MessageAttributes.LogHeloName, "h").With(MessageAttributes.SaslMethod, "PLAIN").With(MessageAttributes.SaslUsername, "bob"),
            Recipients = [new("good@y.test")],
        };
        var file = Write(envelope, "x\n", _ => false, null);
        string[] written = [.. Plain(file).Where(r => r.StartsWith("A ", StringComparison.Ordinal)).Select(r => r[2..])];
        foreach (var expected in (string[])[
            "log_ident=abc", "log_client_name=orig.test", "log_client_address=192.0.2.9", "log_client_port=unknown", "log_helo_name=h", "log_protocol_name=ESMTP",
            "client_name=filter.test", "client_address=127.0.0.1", "client_port=47914", "helo_name=client.test", "sasl_method=PLAIN", "sasl_username=bob"])
        {
            Assert.Contains(expected, written);
        }
        Assert.Equal(("PLAIN", "bob", ""), Login(Read(file).Message.Envelope()));

        static (string, string, string) Login(Envelope read) =>
            (read.Attributes.Value(MessageAttributes.SaslMethod), read.Attributes.Value(MessageAttributes.SaslUsername), read.Attributes.Value(MessageAttributes.SaslSender));
    }

    [Fact]
    public void What_was_written_is_read_back()
    {
        var text = Gen.String[Gen.Char["abcXYZ09+=-_ .\"\\()\u00fc"], 0, 12];
        var word = Gen.String[Gen.Char["abcXYZ09+=-_."], 1, 12];
        var address = Gen.Select(word, word, static (local, domain) => $"{Mail.Addresses.AddressParts.Quote(local)}@{domain.Trim('.')}x");
        var recipient = Gen.Select(address, address, word, Gen.Int[0, 15], static (to, original, dsn, notify) => new EnvelopeRecipient(to, original, $"rfc822;{dsn}", (DsnNotify)notify));
        var envelope = Gen.Select(address, Gen.Long[1_000_000, 4_000_000_000_000_000], text, recipient.Array[0, 8], Gen.Int[0, 7], static (sender, arrival, id, recipients, some) => new Envelope
        {
            Sender = (some & 1) != 0 ? "" : sender,
            FullName = id,
            ArrivalMicros = arrival,
            EnvelopeId = id.Trim(),
            Return = (DsnReturn)(some % 3),
            Body = (BodyType)(some % 3),
            Origin = MessageOrigin.Pickup,
            Flags = ((some & 2) != 0 ? MessageFlags.SmtpUtf8 : 0) | ((some & 4) != 0 ? MessageFlags.RewriteLocal | MessageFlags.ReportDeliveries : 0),
            Recipients = recipients,
        });
        var line = Gen.OneOf(Gen.Byte.Array[0, 20], Gen.Int[2030, 2060].Select(n => Enumerable.Repeat((byte)'x', n).ToArray()));
        var body = line.Array[1, 6].Select(lines => lines.SelectMany(bytes => bytes.Select(b => b == '\n' ? (byte)' ' : b).Append((byte)'\n')).ToArray());
        Gen.Select(envelope, body).Sample((written, content) =>
        {
            var (message, back, wrong) = Read(Write(written, Encoding.Latin1.GetString(content), i => i % 2 == 1, null));
            var read = message.Envelope();
            return wrong is null && back.AsSpan().SequenceEqual(content) && read.Sender == written.Sender && read.ArrivalMicros == written.ArrivalMicros && read.EnvelopeId == written.EnvelopeId && read.FullName == written.FullName
                && read.Return == written.Return && read.Body == written.Body && read.Origin == written.Origin && read.Flags == written.Flags && read.Recipients.SequenceEqual(written.Recipients)
                && message.Recipients.Select(r => r.IsDone).SequenceEqual(Enumerable.Range(0, written.Recipients.Count).Select(i => i % 2 == 1));
        }, iter: 2000);
    }

    /// <summary>Reads a file as an import does.</summary>
    internal static (QueueFileMessage Message, byte[] Content, string? Wrong) Read(byte[] file)
    {
        var reader = new QueueFileReader();
        reader.Open((offset, into) =>
        {
            var part = offset >= file.Length ? [] : file.AsSpan((int)offset, (int)Math.Min(into.Length, file.Length - offset));
            part.CopyTo(into);
            return part.Length;
        }, file.Length);
        var message = new QueueFileMessage();
        var content = new ArrayBufferWriter<byte>();
        var records = 0;
        while (!message.Ended)
        {
            if (!reader.TryRead(out var record))
            {
                return (message, content.WrittenSpan.ToArray(), reader.Wrong);
            }
            Assert.True(++records <= file.Length);
            if (message.Accept(record, reader.Offset) is { } wrong)
            {
                return (message, content.WrittenSpan.ToArray(), wrong);
            }
            if (message.InContent && (char)record.Type is 'N' or 'L')
            {
                content.Write(record.Data);
                content.Write((char)record.Type == 'N' ? "\n"u8 : []);
            }
        }
        return (message, content.WrittenSpan.ToArray(), null);
    }

    internal static byte[] Write(Envelope envelope, string content, Func<int, bool> isDone, long? warn)
    {
        var writer = new QueueFileWriter();
        var file = new MemoryStream();
        writer.Begin(envelope, "ABCDEF", isDone, warn);
        // In pieces, as it comes.
        foreach (var piece in Encoding.Latin1.GetBytes(content).Chunk(1000))
        {
            writer.Content(piece);
            file.Write(writer.Output.WrittenSpan);
            writer.Taken();
        }
        var size = writer.End();
        file.Write(writer.Output.WrittenSpan);
        file.Position = 0;
        file.Write(size);
        return file.ToArray();
    }

    private static List<string> Plain(byte[] file)
    {
        var list = new List<string>();
        ReadOnlySpan<byte> rest = file;
        while (MaildropRecord.TryTake(ref rest, out var record, out _))
        {
            list.Add($"{(char)record.Type} {Encoding.Latin1.GetString(record.Data)}");
        }
        Assert.True(rest.IsEmpty);
        return list;
    }

    private static byte[] Records(string text) => [.. text.Split('|').SelectMany(record =>
        record == "C" ? Record('C', Encoding.Latin1.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{0,95}"))) : Record(record[0], Encoding.Latin1.GetBytes(record.Length > 1 ? record[2..] : "")))];

    private static byte[] Record(char type, byte[] data)
    {
        var bytes = new ArrayBufferWriter<byte>();
        MaildropRecord.Write((MaildropRecordType)type, data, bytes);
        return bytes.WrittenSpan.ToArray();
    }
}
