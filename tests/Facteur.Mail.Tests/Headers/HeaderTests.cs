using System.Text;
using Facteur.Mail.Headers;

namespace Facteur.Mail.Tests.Headers;

public sealed class HeaderTests
{
    [Theory]
    [InlineData("Subject: x", 7)]
    [InlineData("Subject : x", 7)]
    [InlineData("X:", 1)]
    [InlineData(": x", 0)]
    [InlineData("Sub ject: x", 0)]
    [InlineData(" Subject: x", 0)]
    [InlineData("no header", 0)]
    [InlineData("S\u00fc: x", 0)]
    [InlineData("", 0)]
    public void Knows_field_names(string line, int expected) => Assert.Equal(expected, HeaderField.NameLength(Encoding.Latin1.GetBytes(line)));

    [Theory]
    [InlineData("to", KnownHeader.To, HeaderTraits.Recipient | HeaderTraits.Extract)]
    [InlineData("RESENT-CC", KnownHeader.ResentCc, HeaderTraits.Recipient | HeaderTraits.Extract | HeaderTraits.Resent)]
    [InlineData("Message-ID", KnownHeader.MessageId, HeaderTraits.None)]
    [InlineData("Reply-To", KnownHeader.ReplyTo, HeaderTraits.Sender)]
    [InlineData("Tot", KnownHeader.None, HeaderTraits.None)]
    [InlineData("Disposition-Notification-To-And-More", KnownHeader.None, HeaderTraits.None)]
    public void Finds_known_headers(string name, KnownHeader expected, HeaderTraits traits)
    {
        Assert.Equal(expected, KnownHeaders.Find(Encoding.Latin1.GetBytes(name), out var found));
        Assert.Equal(traits, found);
    }

    [Fact]
    public void Scans_headers_in_pieces_of_any_size()
    {
        var section = "A: 1\nB: 2\n\tfolded\n more\n>From x\nC: 3\n\nbody\n"u8.ToArray();
        for (var piece = 1; piece <= section.Length; piece++)
        {
            using var scanner = new HeaderScanner(1000, 100);
            var found = new List<string>();
            ReadOnlySpan<byte> rest = default;
            for (var at = 0; at < section.Length && found.LastOrDefault()?.StartsWith("EndOfHeaders", StringComparison.Ordinal) != true; at += piece)
            {
                rest = section.AsSpan(at, Math.Min(piece, section.Length - at));
                while (scanner.Next(ref rest) is var scan && scan != HeaderScan.NeedInput)
                {
                    found.Add($"{scan} {Encoding.Latin1.GetString(scanner.Text.Span)}");
                    if (scan == HeaderScan.EndOfHeaders)
                    {
                        break;
                    }
                }
            }
            Assert.Equal(["Header A: 1", "Header B: 2\n\tfolded\n more", "EndOfHeaders >From x"], found);
            Assert.False(scanner.BlankLine);
        }
    }

    /// <summary>As Postfix 3.7 does it with header_size_limit = 20.</summary>
    [Theory]
    [InlineData("A: 23456789\n 23456789\n", "A: 23456789\n 2345678")]
    [InlineData("A: 2345678\n 2345678\n\t0\nB: 1\n", "A: 2345678\n 2345678|B: 1")]
    [InlineData("A: 1\n 2\n 3456789012345\n 4\nB: 1\n", "A: 1\n 2\n 34567890123|B: 1")]
    [InlineData("Alph: 34567890123\n 12\nB: 1\n", "Alph: 34567890123\n 1|B: 1")]
    [InlineData("Alph: 345678901234\n 12\nB: 1\n", "Alph: 345678901234|B: 1")]
    [InlineData("A: 3456789012345678901234567890\n 2\nB: 1\n", "A: 34567890123456789|B: 1")]
    [InlineData("A: 34567890123456789\n 2\nB: 1\n", "A: 34567890123456789|B: 1")]
    public void A_header_beyond_the_limit_ends_with_a_line_that_nearly_fills_it_or_at_the_byte(string section, string expected)
    {
        for (var piece = 1; piece <= section.Length; piece++)
        {
            using var scanner = new HeaderScanner(20, 100);
            var found = new List<string>();
            for (var at = 0; at < section.Length; at += piece)
            {
                ReadOnlySpan<byte> rest = Encoding.Latin1.GetBytes(section[at..Math.Min(at + piece, section.Length)]);
                while (scanner.Next(ref rest) != HeaderScan.NeedInput)
                {
                    found.Add(Encoding.Latin1.GetString(scanner.Text.Span));
                }
            }
            Assert.Equal(HeaderScan.Header, scanner.Finish());
            found.Add(Encoding.Latin1.GetString(scanner.Text.Span));
            Assert.Equal(expected, string.Join('|', found));
        }
    }

    [Theory]
    [InlineData(1, 0, "Sun, 1 Nov 2026 12:05:09 +0000 (UTC)")]
    [InlineData(22, 330, "Sun, 22 Nov 2026 17:35:09 +0530 (IST)")]
    [InlineData(22, -210, "Sun, 22 Nov 2026 08:35:09 -0330 (NST)")]
    public void Writes_dates(int day, int minutes, string expected)
    {
        var zone = minutes == 0 ? TimeZoneInfo.Utc : TimeZoneInfo.CreateCustomTimeZone("x", TimeSpan.FromMinutes(minutes), "x", minutes > 0 ? "IST" : "NST");
        Assert.Equal(expected, MailDate.Format(new DateTimeOffset(2026, 11, day, 12, 5, 9, TimeSpan.Zero), zone));
    }

    [Fact]
    public void Makes_message_ids()
    {
        var time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1));
        Assert.Equal("20260102020405.ABC@h.example", MessageIdText.Make(time, "ABC", false, "h.example"));
        Assert.Equal("ABC@h.example", MessageIdText.Make(time, "ABC", true, "h.example"));
    }

    [Theory]
    [InlineData("", false, "utf-8", "a@b")]
    [InlineData("Joe User", false, "utf-8", "Joe User <a@b>")]
    [InlineData("Joe \"Q\" User", false, "utf-8", "\"Joe \\\"Q\\\" User\" <a@b>")]
    [InlineData("Joe Q. User", false, "utf-8", "\"Joe Q. User\" <a@b>")]
    [InlineData("Joe\r\nBcc: x", false, "utf-8", "\"Joe  Bcc: x\" <a@b>")]
    [InlineData("Joe (User)", true, "utf-8", "a@b (Joe \\(User\\))")]
    [InlineData("J\u00f6rg M", false, "utf-8", "=?utf-8?Q?J=C3=B6rg_M?= <a@b>")]
    [InlineData("J\u00f6rg", false, "", "J\u00f6rg <a@b>")]
    public void Writes_from_addresses(string name, bool obsolete, string charset, string expected) => Assert.Equal(expected, FromText.Format(name, "a@b", obsolete, charset));

    [Fact]
    public void Splits_long_names_into_encoded_words()
    {
        var text = FromText.Format(string.Concat(Enumerable.Repeat("\u00f6", 100)), "a@b", false, "utf-8");
        Assert.All(text.Split(' ')[..^1], word => Assert.True(word.Length <= 75 && word.StartsWith("=?utf-8?Q?", StringComparison.Ordinal) && word.EndsWith("?=", StringComparison.Ordinal)));
    }
}
