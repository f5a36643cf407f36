using System.Text;
using CsCheck;
using Facteur.Mail.Mime;

namespace Facteur.Mail.Tests.Mime;

public sealed class MimeScannerTests
{
    private static readonly MimeLimits Limits = new(102_400, 2048, 100, 2048);

    /// <summary>Where Postfix 3.7 looks with header_checks (P), mime_header_checks of parts (M), nested_header_checks (N) and body_checks (B).</summary>
    [Theory]
    [InlineData("S: x\n\nb\n", "P:S: x|-|B:b")]
    [InlineData("S: x\nbody at once: no\nX: y\n", "P:S: x|-|B:body at once: no|B:X: y")]
    [InlineData("S: x\n", "P:S: x|-")]
    [InlineData("\nb", "-|B:b")]
    [InlineData("C: 1\nContent-Type: multipart/mixed; boundary=\"b\"\n\npre\n--b\nX: 1\n\none\n--b\n\n--b--\nepi\n--b\nafter\n",
        "P:C: 1|P:Content-Type: multipart/mixed; boundary=\"b\"|-|B:pre|B:--b|M:X: 1|-|B:one|B:--b|-|B:--b--|B:epi|B:--b|B:after")]
    [InlineData("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\nS: 1\n\nS: 2\n\nb\n",
        "P:Content-Type: message/rfc822|-|N:Content-Type: message/rfc822|N:S: 1|-|N:S: 2|-|B:b")]
    [InlineData("Content-Type: message/global\n\nS: 1\n\nb\n", "P:Content-Type: message/global|-|N:S: 1|-|B:b")]
    [InlineData("Content-Type: message/rfc822\nno blank\n\nb\n", "P:Content-Type: message/rfc822|-|B:no blank|B:|B:b")]
    [InlineData("Content-Type: message/partial; id=a\n\nS: 1\n", "P:Content-Type: message/partial; id=a|-|B:S: 1")]
    [InlineData("Content-Type: multipart/digest; boundary=b\n\n--b\n\nS: 1\n\nd\n--b\nContent-Type: text/plain\n\nt\n",
        "P:Content-Type: multipart/digest; boundary=b|-|B:--b|-|N:S: 1|-|B:d|B:--b|M:Content-Type: text/plain|-|B:t")]
    [InlineData("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\nX: 1\n\n--b\nX: 2\n\n--a\nX: 3\n\nr\n",
        "P:Content-Type: multipart/mixed; boundary=a; boundary=b|-|B:--a|M:X: 1|-|B:--b|B:X: 2|B:|B:--a|M:X: 3|-|B:r")]
    [InlineData("Content-Type: multipart/mixed; boundary=\"\"\n\n--\nX: 1\n--x\nX: 2\n\nq\n", "P:Content-Type: multipart/mixed; boundary=\"\"|-|B:--|B:X: 1|B:--x|M:X: 2|-|B:q")]
    [InlineData("Content-Type: multipart/mixed; boundary=b (c)\n\n--b\n X: folded\nX: 1\n\n--b", "P:Content-Type: multipart/mixed; boundary=b (c)|-|B:--b|-|B: X: folded|B:X: 1|B:|B:--b")]
    [InlineData("Content-Type: multipart/mixed; boundary=b\n\n--b\nno header\n--b--\nend\n", "P:Content-Type: multipart/mixed; boundary=b|-|B:--b|-|B:no header|B:--b--|B:end")]
    public void Finds_what_Postfix_finds(string content, string expected)
    {
        foreach (var piece in new[] { 1, 2, 7, 10_000 })
        {
            Assert.Equal(expected, Read(content, piece, Limits));
        }
    }

    [Fact]
    public void Long_lines_come_in_pieces_and_offsets_count_text_only()
    {
        var limits = Limits with { LineLength = 8 };
        Assert.Equal("P:S: x|-|B:AAAAAAAA+|B:B|B:CCCCCCCC+|B:|B:d", Read("S: x\n\nAAAAAAAAB\nCCCCCCCC\nd\n", 3, limits));
        using var scanner = new MimeScanner(Limits);
        ReadOnlyMemory<byte> input = "Content-Type: multipart/mixed; boundary=b\n\n12345\n12\n--b\n\n123\n--b--\nx\ny\n"u8.ToArray();
        var offsets = new List<long>();
        for (var found = scanner.Next(ref input); found != MimeScan.NeedInput; found = scanner.Next(ref input))
        {
            if (found == MimeScan.Body)
            {
                offsets.Add(scanner.Offset);
            }
        }
        Assert.Equal([0, 5, 7, 0, 0, 5, 6], offsets);
    }

    [Fact]
    public void Without_structure_all_behind_the_headers_is_body() =>
        Assert.Equal(
            "P:Content-Type: multipart/mixed; boundary=b|-|B:--b|B:X: 1|B:|B:x",
            Read("Content-Type: multipart/mixed; boundary=b\n\n--b\nX: 1\n\nx\n", 5, Limits, structure: false));

    private static readonly Gen<string> Trees = Tree(3);

    /// <summary>What was found, written again, is the message: through any tree of parts, in any pieces.</summary>
    [Fact]
    public void Trees_come_out_byte_for_byte() =>
        Gen.Select(Trees, Gen.Int[1, 50].Array[1, 5]).Sample((content, pieces) => Assert.Equal(content, Write(content, pieces, Limits)));

    /// <summary>Bytes that mean no good come out too, but for the blank line that headers lack, blanks in front of a header's colon, and the line end of the last line.</summary>
    [Fact]
    public void Hostile_bytes_come_out_and_stay_bounded() =>
        Gen.Select(Hostile, Gen.Int[1, 9].Array[1, 8]).Sample((content, pieces) =>
        {
            var limits = new MimeLimits(64, 32, 3, 4);
            Assert.Equal(Write(content, [int.MaxValue], limits), Write(content, pieces, limits));
            Assert.Equal(Plain(content), Plain(Write(content, pieces, limits with { HeaderSize = 100_000 })));

            static string Plain(string text) => text.Replace(" ", "").Replace("\t", "").TrimEnd('\n');
        });

    private static readonly Gen<string> Hostile = Gen.Int[0, 19].Select(i => new[]
    {
        "\n", "Content-Type: multipart/mixed; boundary=", "Content-Type: message/rfc822\n", "Content-Type: multipart/digest;boundary=b\n", "b", "--b\n", "--b--\n", "--", "-", "\"", "(", "\\", ";", ":", " ", "\t", "x",
        "\0", "\xe9", "Content-Type: multipart/mixed; boundary=\"--b\"\n",
    }[i]).Array[0, 40].Select(string.Concat);

    private static Gen<string> Tree(int depth)
    {
        var text = Gen.Int[0, 6].Select(i => new[] { "", "text\n", "\n\n", "-- \n", "--x\n", "caf\xe9\n\n", new string('y', 5000) + "\n" }[i]);
        var leaf = text.Select(t => "Content-Type: text/plain\nX-Fold: a\n b\n\n" + t);
        if (depth == 0)
        {
            return leaf;
        }
        var inner = Tree(depth - 1);
        return Gen.OneOf(
            leaf,
            inner.Select(t => "Content-Type: message/rfc822\nContent-Description: m\n\n" + t),
            Gen.Select(inner.Array[0, 3], text, Gen.Bool).Select((parts, around, digest) =>
                $"Content-Type: multipart/{(digest ? "digest" : "mixed")}; boundary=\"b{depth}\"\n\n{around}{string.Concat(parts.Select(p => $"--b{depth}\n{p}\n"))}--b{depth}--\n{around}"));
    }

    private static string Read(string content, int piece, MimeLimits limits, bool structure = true)
    {
        using var scanner = new MimeScanner(limits, structure);
        var found = new List<string>();
        Run(scanner, content, [piece], what => found.Add(what switch
        {
            MimeScan.EndOfHeaders => "-",
            MimeScan.Header => $"{"PMN"[(int)scanner.Place]}:{Encoding.Latin1.GetString(scanner.Text.Span)}",
            _ => $"B:{Encoding.Latin1.GetString(scanner.Text.Span)}{(scanner.EndsLine || found is [] ? "" : scanner.Text.Length == limits.LineLength ? "+" : "")}",
        }));
        return string.Join('|', found);
    }

    private static string Write(string content, int[] pieces, MimeLimits limits)
    {
        using var scanner = new MimeScanner(limits);
        var text = new StringBuilder();
        Run(scanner, content, pieces, what => text.Append(what switch
        {
            MimeScan.EndOfHeaders => scanner.BlankLine ? "\n" : "",
            MimeScan.Body => Encoding.Latin1.GetString(scanner.Text.Span) + (scanner.EndsLine ? "\n" : ""),
            _ => Encoding.Latin1.GetString(scanner.Text.Span) + "\n",
        }));
        // A last header without line end gets one.
        return text.Length == content.Length + 1 && !content.EndsWith('\n') ? text.ToString(0, content.Length) : text.ToString();
    }

    private static void Run(MimeScanner scanner, string content, int[] pieces, Action<MimeScan> take)
    {
        ReadOnlyMemory<byte> bytes = Encoding.Latin1.GetBytes(content);
        for (var i = 0; !bytes.IsEmpty; i++)
        {
            var piece = bytes[..Math.Min(pieces[i % pieces.Length], bytes.Length)];
            bytes = bytes[piece.Length..];
            for (var found = scanner.Next(ref piece); found != MimeScan.NeedInput; found = scanner.Next(ref piece))
            {
                take(found);
            }
            Assert.True(piece.IsEmpty);
        }
        for (var found = scanner.Finish(); found != MimeScan.End; found = scanner.Finish())
        {
            take(found);
        }
    }
}
