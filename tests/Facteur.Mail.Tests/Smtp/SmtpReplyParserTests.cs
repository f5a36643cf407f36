using System.Buffers;
using System.Text;
using CsCheck;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Smtp;

public sealed class SmtpReplyParserTests
{
    [Theory]
    [InlineData("250 Ok\r\n", ReplyParse.Done, 250, "250 Ok", 8)]
    [InlineData("250\r\n", ReplyParse.Done, 250, "250", 5)]
    [InlineData("250 a\r\n250 b\r\n", ReplyParse.Done, 250, "250 a", 7)]
    [InlineData("550-5.1.1 no\r\n550 5.1.1 such\r\n", ReplyParse.Done, 550, "550-5.1.1 no\n550 5.1.1 such", 30)]
    [InlineData("250 bare\n", ReplyParse.Done, 250, "250 bare", 9)]
    [InlineData("450 \x01\ttab\r\n", ReplyParse.Done, 450, "450 ? tab", 11)]
    [InlineData("250 half", ReplyParse.More, 0, "", 0)]
    [InlineData("250-a\r\n250", ReplyParse.More, 250, "", 0)]
    [InlineData("hello\r\n", ReplyParse.Malformed, 0, "hello", 0)]
    [InlineData("250-a\r\n251 b\r\n", ReplyParse.Done, 251, "250-a\n251 b", 14)]
    [InlineData("550-5.1.1 a\r\n450 4.1.1 b\r\n", ReplyParse.Done, 450, "550-5.1.1 a\n450 4.1.1 b", 26)]
    [InlineData("250-a\r\nb\r\n", ReplyParse.Malformed, 0, "b", 0)]
    [InlineData("what?\r\n250 Ok\r\n", ReplyParse.Malformed, 0, "what?", 0)]
    [InlineData("250x\r\n", ReplyParse.Malformed, 0, "250x", 0)]
    [InlineData("150 no\r\n", ReplyParse.Malformed, 0, "150 no", 0)]
    [InlineData("25\r\n", ReplyParse.Malformed, 0, "25", 0)]
    public void Replies(string bytes, ReplyParse found, int code, string text, int length)
    {
        var buffer = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(bytes));
        Assert.Equal(found, SmtpReplyParser.Parse(buffer, true, out var gotCode, out var gotText, out var end));
        Assert.Equal((text, length), (gotText, (int)buffer.Slice(buffer.Start, end).Length));
        Assert.True(found == ReplyParse.More || code == gotCode);
    }

    [Theory]
    [InlineData("354 go\r\n")]
    [InlineData("450 no\r\n")]
    public void A_reply_that_may_stand_for_another_has_its_text(string bytes)
    {
        SmtpReplyParser.Parse(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(bytes)), false, out _, out var text, out _);
        Assert.Equal(bytes.TrimEnd(), text);
    }

    [Fact]
    public void The_usual_reply_makes_no_text() =>
        Assert.Same("", SmtpReplyParser.Parse(new ReadOnlySequence<byte>("250 2.1.0 Ok\r\n"u8.ToArray()), false, out _, out var text, out _) == ReplyParse.Done ? text : "x");

    [Fact]
    public void A_reply_without_end_is_malformed_at_the_limit()
    {
        var buffer = new ReadOnlySequence<byte>(Enumerable.Repeat((byte)'2', SmtpReplyParser.ReplyLimit + 1).ToArray());
        Assert.Equal(ReplyParse.Malformed, SmtpReplyParser.Parse(buffer, false, out _, out _, out _));
    }

    [Fact]
    public void Cut_anywhere_a_reply_is_the_same()
    {
        var bytes = "250-mx.example\r\n250-SIZE 10\r\n250 DSN\r\n354 next\r\n"u8.ToArray();
        for (var cut = 1; cut < bytes.Length; cut++)
        {
            var first = new Piece(bytes.AsMemory(0, cut), null);
            var second = new Piece(bytes.AsMemory(cut), first);
            var buffer = new ReadOnlySequence<byte>(first, 0, second, bytes.Length - cut);
            Assert.Equal(ReplyParse.Done, SmtpReplyParser.Parse(buffer, true, out var code, out var text, out var end));
            Assert.Equal((250, "250-mx.example\n250-SIZE 10\n250 DSN", 38L), (code, text, buffer.Slice(buffer.Start, end).Length));
        }
    }

    [Fact]
    public void Hostile_bytes_make_printable_text_and_never_throw() =>
        Gen.OneOf(Gen.Byte, Gen.Int[0, 6].Select(i => "250- \n\r"u8[i])).Array[0, 400].Sample(bytes =>
        {
            SmtpReplyParser.Parse(new ReadOnlySequence<byte>(bytes), true, out _, out var text, out _);
            Assert.True(text.Length <= SmtpReplyText.TextLimit);
            Assert.DoesNotContain(text, c => char.IsControl(c) && c != '\n');
        });

    [Theory]
    [InlineData(550, "550 5.1.1 no", "5.1.1")]
    [InlineData(550, "550-5.7.1 a\n550 5.1.1 b", "5.1.1")]
    [InlineData(550, "550-a\n550 5.1.1 b", "5.1.1")]
    [InlineData(550, "550-5.7.1 a\n550 b", "5.0.0")]
    [InlineData(550, "550-5.7.1 a\n550", "5.0.0")]
    [InlineData(450, "450 5.1.1 wrong class", "4.0.0")]
    [InlineData(250, "250", "2.0.0")]
    [InlineData(554, "554 no code", "5.0.0")]
    public void Status_of_a_reply(int code, string text, string status) => Assert.Equal(status, SmtpReplyText.Status(code, text).ToString());

    [Fact]
    public void Ehlo_keywords_in_any_case_and_without_the_ignored()
    {
        var offer = EhloKeywords.Parse("250-mx.example hi\n250-pipelining\n250-SIZE 1000\n250-dsn\n250-AUTH PLAIN\n250 8BITMIME", new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "DSN" });
        Assert.Equal(new EhloKeywords("mx.example", SmtpExtensions.Pipelining | SmtpExtensions.Size | SmtpExtensions.EightBitMime, 1000), offer);
    }

    /// <summary>As Postfix takes them.</summary>
    [Theory]
    [InlineData("250-x\n250 SIZE", SmtpExtensions.Size, 0, "")]
    [InlineData("250-x\n250 SIZE 0", SmtpExtensions.Size, 0, "")]
    [InlineData("250-x\n250 SIZE many", SmtpExtensions.Size, 0, "many")]
    [InlineData("250-x\n250 SIZE -1", SmtpExtensions.Size, 0, "-1")]
    [InlineData("250-x\n250 SIZE 20 x", SmtpExtensions.Size, 20, "")]
    [InlineData("250-x\n250 SIZE  20", SmtpExtensions.Size, 20, "")]
    [InlineData("250-x\n250 SIZE=20", SmtpExtensions.Size, 20, "")]
    [InlineData("250-x\n250 SIZE = 20", SmtpExtensions.Size, 0, "=")]
    [InlineData("250-x\n250  =SIZE 20", SmtpExtensions.Size, 20, "")]
    [InlineData("250-x\n250 SIZE 99999999999999999999", SmtpExtensions.Size, 0, "")]
    [InlineData("250-x\n250 xforward name Addr attributes-that-are-none", SmtpExtensions.XforwardName | SmtpExtensions.XforwardAddress, 0, "")]
    [InlineData("250-x\n250-8BITMIME=yes\n250 XFORWARD=NAME  ADDR", SmtpExtensions.EightBitMime | SmtpExtensions.XforwardName | SmtpExtensions.XforwardAddress, 0, "")]
    public void Parameters_of_keywords(string text, SmtpExtensions extensions, long limit, string bad)
    {
        Assert.Equal(new EhloKeywords("x", extensions, limit, bad), EhloKeywords.Parse(text, new HashSet<string>()));
        Assert.Equal("x", EhloKeywords.Parse(text.Replace("250-x", "250-x=y z", StringComparison.Ordinal), new HashSet<string>()).Name);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, Piece? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
