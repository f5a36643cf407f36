using System.Buffers;
using System.Text;
using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Spool.Tests.PostfixQueue;

/// <summary>defer/, bounce/ and trace/.</summary>
public sealed class DeliveryLogFileTests
{
    /// <summary>What Postfix 3.7 wrote for two recipients.</summary>
    private const string FromPostfix = """

        <"later b"@y.test>: host 127.0.0.1[127.0.0.1] said: 450 4.2.0 come <b> back later (in reply to RCPT TO command)
        recipient="later b"@y.test
        offset=915
        dsn_orig_rcpt=rfc822;"later b"@y.test
        status=4.2.0
        action=delayed
        diag_type=smtp
        diag_text=450 4.2.0 come <b> back later
        mta_type=dns
        mta_mname=127.0.0.1
        reason=host 127.0.0.1[127.0.0.1] said: 450 4.2.0 come <b> back later (in reply to RCPT TO command)


        <never@y.test>: unknown user
        recipient=never@y.test
        offset=784
        status=5.1.1
        action=failed
        reason=unknown user

        """;

    private static readonly DeliveryStatus Later = new(
        DeliveryOutcome.Deferred, new EnhancedStatus(4, 2, 0), "host 127.0.0.1[127.0.0.1] said: 450 4.2.0 come <b> back later (in reply to RCPT TO command)", DsnAction.Delayed,
        "smtp", "450 4.2.0 come <b> back later", "dns", "127.0.0.1");

    [Fact]
    public void Reads_what_Postfix_writes() =>
        Assert.Equal([(915, Later), (784, DeliveryStatus.Bounced(1, 1, "unknown user"))], Read(Encoding.UTF8.GetBytes(FromPostfix), 7));

    [Fact]
    public void Writes_as_Postfix_does()
    {
        var into = new ArrayBufferWriter<byte>();
        DeliveryLogFile.Write(915, new EnvelopeRecipient("\"later b\"@y.test", "\"later b\"@y.test", "rfc822;\"later b\"@y.test"), Later, into);
        Assert.Equal(FromPostfix[1..(FromPostfix.IndexOf("\n\n", StringComparison.Ordinal) + 2)], Encoding.UTF8.GetString(into.WrittenSpan));
    }

    [Fact]
    public void Text_of_a_peer_makes_no_lines_of_its_own()
    {
        var into = new ArrayBufferWriter<byte>();
        var status = DeliveryStatus.Deferred(2, 0, "one\n\noffset=5\nstatus=2.0.0");
        DeliveryLogFile.Write(9, new EnvelopeRecipient("a@b"), status, into);
        Assert.Equal([(9, status with { Reason = "one??offset=5?status=2.0.0" })], Read(into.WrittenSpan.ToArray(), 3));
    }

    [Fact]
    public void Any_bytes_are_read_and_what_is_no_entry_is_none()
    {
        var line = Gen.OneOf(Gen.String[Gen.Char["offset=0123\n<>: status.4-"], 0, 40], Gen.Const("offset=7\n"), Gen.Const("status=4.0.0\n"), Gen.Const("\n"), Gen.Const(new string('x', 9000)));
        Gen.Select(line.Array[0, 20], Gen.Int[1, 50]).Sample((lines, piece) => Assert.All(Read(Encoding.Latin1.GetBytes(string.Concat(lines)), piece), entry => Assert.True(entry.Place >= 0)), iter: 5000);
        Gen.Byte.Array[0, 300].Sample(bytes => Read(bytes, 11).Count <= bytes.Length);
    }

    private static List<(long Place, DeliveryStatus Status)> Read(byte[] bytes, int piece)
    {
        var list = new List<(long, DeliveryStatus)>();
        var file = new DeliveryLogFile((place, status) => list.Add((place, status)));
        foreach (var part in bytes.Chunk(piece))
        {
            file.Take(part);
        }
        file.End();
        return list;
    }
}
