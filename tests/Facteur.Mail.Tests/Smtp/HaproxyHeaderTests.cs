using System.Text;
using CsCheck;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Smtp;

/// <summary>What Postfix 3.7 makes of the same bytes, sent in one piece.</summary>
public sealed class HaproxyHeaderTests
{
    private const string Start = "0d0a0d0a000d0a515549540a";
    private const string Four = "c0000207c000020804d20019";
    private const string Six = "20010db800000000000000000000000720010db800000000000000000000000804d20019";
    private const string Mapped = "00000000000000000000ffffc000020700000000000000000000ffffc000020804d20019";

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 1234 25\r\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 1234 25\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY TCP6 2001:DB8::7 2001:db8:0:0::8 1234 25\r\n", "[2001:db8::7]:1234 [2001:db8::8]:25")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.8 1234 25\r\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY tcp4 192.0.2.7 192.0.2.8 1234 25\r\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 1234 25 more\r\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 1234 25 \r\r\n", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("PROXY TCP4 192.0.02.7 192.0.2.8 0 65535\r\n", "192.0.2.7:0 192.0.2.8:65535")]
    [InlineData("PROXY TCP4 0.0.0.0 192.0.2.8 1 2\r\n", "0.0.0.0:1 192.0.2.8:2")]
    [InlineData("PROXY TCP4 2001:db8::7 192.0.2.8 1234 25\r\n", "bad or missing client address")]
    [InlineData("PROXY TCP6 192.0.2.7 192.0.2.8 1234 25\r\n", "bad or missing client address")]
    [InlineData("PROXY TCP4 192.0.2.999 192.0.2.8 12 25\r\n", "bad or missing client address")]
    [InlineData("PROXY TCP6 fe80::1%lo 2001:db8::8 1234 25\r\n", "bad or missing client address")]
    [InlineData("PROXY TCP6 [2001:db8::1] 2001:db8::8 1234 25\r\n", "bad or missing client address")]
    [InlineData("PROXY TCP4 192.0.2.7\r\n", "bad or missing server address")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 65536 25\r\n", "bad or missing client port")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 01234 25\r\n", "bad or missing client port")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 12x 25\r\n", "bad or missing client port")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 12\r\n", "bad or missing server port")]
    [InlineData("PROXY UNKNOWN\r\n", "bad or missing protocol type")]
    [InlineData("PROXY TCP5 192.0.2.7 192.0.2.8 12 25\r\n", "bad or missing protocol type")]
    [InlineData("PROXY TCP4 192.0.2.7 192.0.2.8 12 25\0x\r\n", "missing protocol header terminator")]
    [InlineData("PROXY TCP4 192.0.2.7", "missing protocol header terminator")]
    [InlineData("PROXY\tTCP4 192.0.2.7 192.0.2.8 1234 25\r\n", "unrecognized protocol header")]
    [InlineData("proxy TCP4 192.0.2.7 192.0.2.8 1234 25\r\n", "unrecognized protocol header")]
    [InlineData(" PROXY TCP4 192.0.2.7 192.0.2.8 1234 25\r\n", "unrecognized protocol header")]
    [InlineData("PROXY", "short protocol header")]
    [InlineData("PROXY\r\n", "short protocol header")]
    [InlineData("EHLO x\r\n", "short protocol header")]
    [InlineData("\r\n", "short protocol header")]
    public void Reads_version_1(string line, string expected) => Assert.Equal(expected, Read(Encoding.Latin1.GetBytes(line)));

    [Theory]
    [InlineData("2111000c" + Four, "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("21110012" + Four + "040003616263", "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("21210024" + Six, "[2001:db8::7]:1234 [2001:db8::8]:25")]
    [InlineData("21210024" + Mapped, "192.0.2.7:1234 192.0.2.8:25")]
    [InlineData("20000000", "-")]
    [InlineData("2011000c" + Four, "-")]
    [InlineData("21000000", "unsupported network protocol")]
    [InlineData("2112000c" + Four, "unsupported network protocol")]
    [InlineData("1111000c" + Four, "unrecognized protocol version")]
    [InlineData("2211000c" + Four, "bad command in proxy header")]
    [InlineData("2111000b" + Four, "short address field")]
    [InlineData("21210023" + Six, "short address field")]
    [InlineData("2111ea60" + Four, "short version 2 protocol header")]
    [InlineData("2111000cc0000207", "short version 2 protocol header")]
    [InlineData("21", "short version 2 protocol header")]
    public void Reads_version_2(string hex, string expected) => Assert.Equal(expected, Read(Convert.FromHexString(Start + hex)));

    [Theory]
    [InlineData("PROXY TCP6 2001:db8::7 2001:db8::8 1234 25\r\n", "bad or missing protocol type")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\u0021\u0021\0\0", "Postfix IPv6 support is disabled")]
    public void A_family_that_is_not_used_is_refused(string text, string expected) =>
        Assert.Equal(expected, HaproxyHeader.Parse(Encoding.Latin1.GetBytes(text), isAll: true, ipv4: true, ipv6: false).Wrong);

    [Fact]
    public void Waits_for_the_rest_and_takes_no_more_than_the_header()
    {
        byte[][] headers = ["PROXY TCP4 192.0.2.7 192.0.2.8 1234 25\r\n"u8.ToArray(), Convert.FromHexString(Start + "21110012" + Four + "040003616263")];
        foreach (var header in headers)
        {
            for (var length = 0; length < header.Length; length++)
            {
                Assert.Equal(HaproxyStatus.More, HaproxyHeader.Parse(header.AsSpan(0, length), isAll: false, ipv4: true, ipv6: true).Status);
            }
            Assert.Equal(header.Length, HaproxyHeader.Parse([.. header, .. "EHLO x\r\n"u8], isAll: false, ipv4: true, ipv6: true).Length);
        }
    }

    [Fact]
    public void Whatever_comes_is_read_and_never_waited_for_beyond_the_limit()
    {
        byte[][] starts = [[], "PROXY "u8.ToArray(), "PROXY TCP4 "u8.ToArray(), "PROXY TCP6 ::1 "u8.ToArray(), Convert.FromHexString(Start), Convert.FromHexString(Start + "2111"), Convert.FromHexString(Start + "2121")];
        Gen.Select(Gen.Int[0, starts.Length - 1], Gen.OneOf(Gen.Byte, Gen.Char[" 0123456789.:\r\n\0"].Select(c => (byte)c)).Array[0, 700], Gen.Bool).Sample(
            (start, rest, isAll) =>
            {
                byte[] bytes = [.. starts[start], .. rest];
                var header = HaproxyHeader.Parse(bytes, isAll, ipv4: true, ipv6: true);
                Assert.Equal(header.Status == HaproxyStatus.Bad, header.Wrong is { Length: > 0 });
                Assert.InRange(header.Length, 0, Math.Min(bytes.Length, HaproxyHeader.MaxLength));
                Assert.False(header.Status == HaproxyStatus.More && (isAll && bytes.Length > 0 || bytes.Length >= HaproxyHeader.MaxLength));
            },
            iter: 20_000);
    }

    private static string Read(byte[] bytes)
    {
        var header = HaproxyHeader.Parse(bytes, isAll: true, ipv4: true, ipv6: true);
        return header.Status == HaproxyStatus.Bad ? header.Wrong : header.Client is null ? "-" : $"{header.Client} {header.Server}";
    }
}
