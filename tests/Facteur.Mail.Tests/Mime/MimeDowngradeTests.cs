using System.Text;
using CsCheck;
using Facteur.Mail.Mime;

namespace Facteur.Mail.Tests.Mime;

/// <summary>What is expected here is what Postfix 3.7 sends for the same content, but where a test says otherwise.</summary>
public sealed class MimeDowngradeTests
{
    private const string Cte = "Content-Transfer-Encoding: ";
    private static readonly MimeLimits Limits = new(102_400, 2048, 100, 2048);

    [Theory]
    // A part that says 8bit or binary is encoded; the new header comes last, where the type is known.
    [InlineData("Content-Type: text/plain\n" + Cte + "8bit\nX-A: 1\n\ncaf\xe9 = x\ntab\t\nblank \n\n.dot\n",
        "Content-Type: text/plain\nX-A: 1\n" + Cte + "quoted-printable\n\ncaf=E9 =3D x\ntab=09\nblank=20\n\n.dot\n")]
    [InlineData("Content-Transfer-Encoding : (c (d)) BINARY\nContent-Type: image/png\n\n\x01\xff\r\x7f\n", "Content-Type: image/png\n" + Cte + "quoted-printable\n\n=01=FF=0D=7F\n")]
    [InlineData("Content-Transfer-Encoding:\n 8bit\nContent-Type: TEXT/html;\n\tcharset=\"x\"\n\n<p a=\"b\">\n", "Content-Type: TEXT/html;\n\tcharset=\"x\"\n" + Cte + "quoted-printable\n\n<p a=3D\"b\">\n")]
    // What says 7bit, is encoded already, says nothing or says what is not known.
    [InlineData("Subject: x\n\ncaf\xe9\n", "Subject: x\n\ncaf\xe9\n")]
    [InlineData(Cte + "quoted-printable\n\ncaf\xe9=C3\n", Cte + "quoted-printable\n\ncaf\xe9=C3\n")]
    [InlineData(Cte + "base64\n\nAAAA=\n", Cte + "base64\n\nAAAA=\n")]
    [InlineData(Cte + "7bit\nContent-Type: text/plain\n\ncaf\xe9\n", Cte + "7bit\nContent-Type: text/plain\n\ncaf\xe9\n")]
    [InlineData(Cte + "8-bit\n\ncaf\xe9\n", Cte + "8-bit\n\ncaf\xe9\n")]
    [InlineData(Cte + "\"8bit\"\n\ncaf\xe9\n", Cte + "\"8bit\"\n\ncaf\xe9\n")]
    // Headers with 8-bit bytes stay.
    [InlineData("Subject: \xe9\n" + Cte + "8bit\n\n\xe9\n", "Subject: \xe9\n" + Cte + "quoted-printable\n\n=E9\n")]
    // Of two encodings the last counts.
    [InlineData(Cte + "7bit\n" + Cte + "8bit\n\ncaf\xe9\n", Cte + "7bit\n" + Cte + "quoted-printable\n\ncaf=E9\n")]
    [InlineData(Cte + "8bit\n" + Cte + "base64\n\ncaf\xe9\n", Cte + "base64\n\ncaf\xe9\n")]
    [InlineData(Cte + "8bit\n" + Cte + "x-other\n\ncaf\xe9\n", Cte + "quoted-printable\n\ncaf=E9\n")]
    // Without an empty line, without body, without anything.
    [InlineData(Cte + "8bit\nno header \xe9\n", Cte + "quoted-printable\n\nno header =E9\n")]
    [InlineData(Cte + "8bit\nContent-Type: text/plain\n", "Content-Type: text/plain\n" + Cte + "quoted-printable\n")]
    [InlineData(Cte + "8bit\n\n\xe9 ", Cte + "quoted-printable\n\n=E9=20\n")]
    [InlineData("Subject: x", "Subject: x\n")]
    [InlineData("", "")]
    public void One_part(string content, string expected) => Assert.Equal(expected, Convert(content));

    [Theory]
    [InlineData(
        Cte + "8bit\nContent-Type: multipart/mixed; boundary=\"b 1\"\n\npre \xe9\n--b 1\nContent-Type: text/plain\n" + Cte + "8bit\n\n\xe9\n--b 1 cruft\n\n\xe9 untyped\n--b 1\n" + Cte + "base64\n\nAAAA\n--b 1--\nepi \xe9\n",
        "Content-Type: multipart/mixed; boundary=\"b 1\"\n" + Cte + "7bit\n\npre \xe9\n--b 1\nContent-Type: text/plain\n" + Cte + "quoted-printable\n\n=E9\n--b 1 cruft\n\n\xe9 untyped\n--b 1\n" + Cte + "base64\n\nAAAA\n--b 1--\nepi \xe9\n")]
    // An inner multipart that does not end; a boundary that has ended is none.
    [InlineData(
        "Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/alternative; boundary=outer2\n" + Cte + "8bit\n\n--outer2\n" + Cte + "8bit\n\n\xe9\n--outer\n" + Cte + "8bit\n\n\xeb\n--outer--\n--outer2\n" + Cte + "8bit\n\n\xec\n",
        "Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: multipart/alternative; boundary=outer2\n" + Cte + "7bit\n\n--outer2\n" + Cte + "quoted-printable\n\n=E9\n--outer\n" + Cte + "quoted-printable\n\n=EB\n--outer--\n--outer2\n" + Cte + "8bit\n\n\xec\n")]
    [InlineData("Content-Type: message/rfc822\n" + Cte + "8bit\n\nSubject: \xe9\n" + Cte + "8bit\nContent-Type: text/plain\n\n\xe9\n",
        "Content-Type: message/rfc822\n" + Cte + "7bit\n\nSubject: \xe9\nContent-Type: text/plain\n" + Cte + "quoted-printable\n\n=E9\n")]
    // RFC 2046 5.1.5: a part of a digest is a message.
    [InlineData(
        "Content-Type: multipart/digest; boundary=x\n" + Cte + "8bit\n\n--x\n" + Cte + "8bit\n\nSubject: one\n" + Cte + "8bit\n\n\xe9\n--x\n\n" + Cte + "8bit\n\n\xea\n--x--\n",
        "Content-Type: multipart/digest; boundary=x\n" + Cte + "7bit\n\n--x\n" + Cte + "7bit\n\nSubject: one\n" + Cte + "quoted-printable\n\n=E9\n--x\n\n" + Cte + "quoted-printable\n\n=EA\n--x--\n")]
    // Parts without an empty line behind their headers.
    [InlineData(
        Cte + "8bit\nContent-Type: multipart/mixed; boundary=x\n\n--x\n" + Cte + "8bit\ngarbage \xe9\n--x\n" + Cte + "8bit\n--x\nContent-Type: multipart/mixed; boundary=y\n" + Cte + "8bit\n--y\n" + Cte + "8bit\n\n\xea\n--x--\n",
        "Content-Type: multipart/mixed; boundary=x\n" + Cte + "7bit\n\n--x\n" + Cte + "quoted-printable\ngarbage =E9\n--x\n" + Cte + "quoted-printable\n--x\nContent-Type: multipart/mixed; boundary=y\n" + Cte + "7bit\n--y\n" + Cte + "quoted-printable\n\n=EA\n--x--\n")]
    // How a boundary may be written, rightly and wrongly.
    [InlineData("Content-Type: multipart/mixed; (c;) charset=q; BOUNDARY = \"a\\\"\n b\"\n\n--a\" b\n" + Cte + "8bit\n\n\xe9\n--a\" b--\n",
        "Content-Type: multipart/mixed; (c;) charset=q; BOUNDARY = \"a\\\"\n b\"\n\n--a\" b\n" + Cte + "quoted-printable\n\n=E9\n--a\" b--\n")]
    [InlineData("Content-Type: multipart/mixed; boundary==_Part\n\n--=_Part\n" + Cte + "8bit\n\n\xe9\n--=_Part--\n", "Content-Type: multipart/mixed; boundary==_Part\n\n--=_Part\n" + Cte + "quoted-printable\n\n=E9\n--=_Part--\n")]
    [InlineData("Content-Type: multipart; boundary=x\n\n--x\n" + Cte + "8bit\n\n\xe9\n", "Content-Type: multipart; boundary=x\n\n--x\n" + Cte + "quoted-printable\n\n=E9\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=a/b; boundary=c\n\n--a/b\n" + Cte + "8bit\n\n\xe9\n--c\n" + Cte + "8bit\n\n\xea\n--c--\n",
        "Content-Type: multipart/mixed; boundary=a/b; boundary=c\n\n--a/b\n" + Cte + "quoted-printable\n\n=E9\n--c\n" + Cte + "8bit\n\n=EA\n--c--\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n" + Cte + "8bit\n--x\n" + Cte + "8bit\n\n\xe9\n", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n" + Cte + "8bit\n--x\n" + Cte + "quoted-printable\n\n=E9\n")]
    [InlineData("Content-Type: multipart/mixed\n" + Cte + "8bit\n\n--x\n\xe9\n", "Content-Type: multipart/mixed\n" + Cte + "7bit\n\n--x\n\xe9\n")]
    public void Parts(string content, string expected) => Assert.Equal(expected, Convert(content));

    /// <summary>Postfix encodes these too, but has them say 7bit, so that nobody decodes them; and an attached message with a "From " line it takes for text.</summary>
    [Theory]
    [InlineData("Content-Type: message/partial; id=1\n" + Cte + "8bit\n\n" + Cte + "8bit\n\n\xe9\n", "Content-Type: message/partial; id=1\n" + Cte + "quoted-printable\n\n" + Cte + "8bit\n\n=E9\n")]
    [InlineData("Content-Type: message/delivery-status\n" + Cte + "8bit\n\nDiagnostic-Code: smtp; a=b \xe9\n", "Content-Type: message/delivery-status\n" + Cte + "quoted-printable\n\nDiagnostic-Code: smtp; a=3Db =E9\n")]
    [InlineData("Content-Type: message/rfc822\n\nFrom a@b Mon\n" + Cte + "8bit\n\n\xe9\n", "Content-Type: message/rfc822\n\nFrom a@b Mon\n" + Cte + "quoted-printable\n\n=E9\n")]
    public void Other_than_Postfix(string content, string expected) => Assert.Equal(expected, Convert(content));

    [Fact]
    public void Encoded_lines_have_76_bytes_at_most()
    {
        var x = new string('x', 73);
        Assert.Equal(
            $"{Cte}quoted-printable\n\n{x}\n{x}=\nx\n{x[1..]}=20\n{x}=\n=20\n{x[2..]}=E9=\n=E9\n{new StringBuilder().Insert(0, "=E9", 25)}=\n{new StringBuilder().Insert(0, "=E9", 25)}\n",
            Convert($"{Cte}8bit\n\n{x}\n{x}x\n{x[1..]} \n{x} \n{x[2..]}\xe9\xe9\n{new string('\xe9', 50)}\n"));
    }

    /// <summary>Postfix returns the mail at the boundary that is one too many, also when there is nothing to convert.</summary>
    [Theory]
    [InlineData(100, 102, false)]
    [InlineData(100, 103, true)]
    [InlineData(1, 4, true)]
    [InlineData(int.MaxValue, 500, false)]
    public void Nesting_is_limited(int limit, int depth, bool tooDeep)
    {
        var content = string.Concat(Enumerable.Range(0, depth).Select(i => $"Content-Type: multipart/mixed; boundary=x{i}.\n{Cte}8bit\n\n--x{i}.\n"));
        foreach (var (text, eight) in new[] { ("plain", false), ("caf\xe9", true) })
        {
            using var downgrade = new MimeDowngrade(Limits with { Nesting = limit });
            var output = Encoding.Latin1.GetString(downgrade.Convert(Encoding.Latin1.GetBytes($"{content}{Cte}8bit\n\n{text}\n")).Span);
            Assert.Equal(tooDeep && eight, downgrade.TooDeep);
            Assert.EndsWith(tooDeep ? $"\n{Cte}8bit\n\n{text}\n" : $"\n{Cte}quoted-printable\n\n{text.Replace("\xe9", "=E9")}\n", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_follows_parts_that_nest_too_deep_is_converted_again() =>
        Assert.Equal(
            $"Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n{Cte}7bit\n\nx\n--c--\n--b\n{Cte}quoted-printable\n\n=E9\n--b--\n\xe9\n",
            Convert($"Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n{Cte}7bit\n\nx\n--c--\n--b\n{Cte}8bit\n\n\xe9\n--b--\n\xe9\n", Limits with { Nesting = 0 }));

    [Fact]
    public void Nesting_is_looked_at_in_a_body_without_empty_line_too()
    {
        using var downgrade = new MimeDowngrade(Limits with { Nesting = 1 });
        downgrade.Convert(Encoding.Latin1.GetBytes("Content-Type: multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d\nno header \xe9"));
        Assert.False(downgrade.TooDeep);
        downgrade.Finish();
        Assert.True(downgrade.TooDeep);
    }

    /// <summary>Boundaries that differ only beyond the limit are one.</summary>
    [Fact]
    public void Boundaries_are_cut() =>
        Assert.Equal(
            $"Content-Type: multipart/mixed; boundary=abcdef\n\n--abcdXX\n{Cte}quoted-printable\n\n=E9\n",
            Convert($"Content-Type: multipart/mixed; boundary=abcdef\n\n--abcdXX\n{Cte}8bit\n\n\xe9\n", Limits with { Boundary = 4 }));

    /// <summary>A header is kept to its limit, and the line's length at which text is no header is one too.</summary>
    [Fact]
    public void Long_headers_are_cut_and_long_text_is_body()
    {
        Assert.Equal("X: 34567890123456789\nY: 1\n\n", Convert("X: 34567890123456789\n more\nY: 1\n\n", Limits with { HeaderSize = 20 }));
        var text = new string('x', 30);
        Assert.Equal($"{Cte}quoted-printable\n\n{text}: =E9\n", Convert($"{Cte}8bit\n{text}: \xe9\n", Limits with { LineLength = 30 }));
    }

    private static readonly Gen<byte[]> Hostile = Gen.OneOf(
        AnyOf(
            "\n", "\n\n", Cte + "8bit\n", Cte + "binary\n", Cte, "Content-Type: multipart/mixed; boundary=", "Content-Type: multipart/digest;", "boundary=b\n", "b\n", "\"b\"", "\"", "(", ")", "\\", ";", "=",
            "--b\n", "--b--\n", "--", "--b", "Content-Type: message/rfc822\n", "From ", " ", "\t", "\r", ":", "x\n", "\xe9").Select(Encoding.Latin1.GetBytes),
        Gen.Byte.Array[0, 6]).Array[0, 40].Select(parts => parts.SelectMany(p => p).ToArray());

    /// <summary>However content is cut, the same comes out, all of it, and not much more than goes in.</summary>
    [Fact]
    public void Any_bytes_in_any_pieces() =>
        Gen.Select(Hostile, Gen.Int[1, 9].Array[1, 8], AnyOf(1, 3, 2048)).Sample((content, pieces, boundary) =>
        {
            var limits = Limits with { Boundary = boundary, Nesting = 3, HeaderSize = 64, LineLength = 32 };
            var whole = Convert(content, [int.MaxValue], limits);
            Assert.Equal(whole, Convert(content, pieces, limits));
            Assert.InRange(whole.Length, 0, 4 * content.Length + 2);
        });

    /// <summary>Content whose 8-bit bytes stand in parts that say so comes out with 7 bits, in lines of a legal length, and decodes to what it was.</summary>
    [Fact]
    public void Declared_content_becomes_7_bit_and_decodes_to_itself() =>
        Gen.Select(Gen.OneOf(AnyOf((byte)'\n', (byte)' ', (byte)'\t', (byte)'=', (byte)'-', (byte)'.', (byte)'\r', (byte)0xE9), Gen.Byte).Array[0, 300].Array[1, 4], Gen.Int[1, 100].Array[1, 5])
            .Sample((bodies, pieces) =>
            {
                var texts = bodies.Select(b => Encoding.Latin1.GetString(b) + "\n").Where(t => !t.Contains("--bound", StringComparison.Ordinal)).ToArray();
                var content = $"Content-Type: multipart/mixed; boundary=bound\n{Cte}8bit\n\n" + string.Concat(texts.Select(t => $"--bound\nContent-Type: text/plain\n{Cte}8bit\n\n{t}")) + "--bound--\n";
                var output = Encoding.Latin1.GetString(Convert(Encoding.Latin1.GetBytes(content), pieces, Limits));
                Assert.All(output, c => Assert.True(c is '\n' or '\t' or (>= ' ' and <= '~')));
                Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 76 && !line.EndsWith(' ') && !line.EndsWith('\t')));
                Assert.DoesNotContain("8bit", output, StringComparison.Ordinal);
                var parts = output.Split("--bound\n")[1..];
                Assert.Equal(texts, parts.Select(p => Decode(p[(p.IndexOf("\n\n", StringComparison.Ordinal) + 2)..].Replace("--bound--\n", "", StringComparison.Ordinal))));
            });

    private static Gen<T> AnyOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static string Decode(string text) => System.Text.RegularExpressions.Regex.Replace(
        text.Replace("=\n", "", StringComparison.Ordinal), "=([0-9A-F]{2})", m => ((char)System.Convert.ToByte(m.Groups[1].Value, 16)).ToString());

    private static string Convert(string content, MimeLimits? limits = null)
    {
        var bytes = Encoding.Latin1.GetBytes(content);
        var whole = Convert(bytes, [int.MaxValue], limits ?? Limits);
        Assert.Equal(whole, Convert(bytes, [1], limits ?? Limits));
        return Encoding.Latin1.GetString(whole);
    }

    private static byte[] Convert(byte[] content, int[] pieces, MimeLimits limits)
    {
        using var downgrade = new MimeDowngrade(limits);
        var output = new List<byte>();
        var at = 0;
        for (var i = 0; at < content.Length; i++)
        {
            var length = Math.Min(pieces[i % pieces.Length], content.Length - at);
            output.AddRange(downgrade.Convert(content.AsMemory(at, length)).Span);
            at += length;
        }
        output.AddRange(downgrade.Finish().Span);
        return [.. output];
    }
}
