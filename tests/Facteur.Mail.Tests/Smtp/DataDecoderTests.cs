using System.Text;
using CsCheck;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Smtp;

public sealed class DataDecoderTests
{
    [Theory]
    [InlineData("a\r\n.\r\n", "a\n")]
    [InlineData(".\r\n", "")]
    [InlineData("..\r\n.a\r\n...b\r\n.\r\n", ".\na\n..b\n")]
    [InlineData("a\rb\r\r\n.\r\n", "a\rb\r\n")]
    [InlineData("a\n.\nb\n.\r\nc\r\n.\r\n", "a\nb\nc\n")]
    [InlineData(".\r\r\nx\r\n.\r\n", "\r\nx\n")]
    [InlineData("From x\r\nA: b\r\n.\r\n", "X-Mailbox-Line: From x\nA: b\n")]
    [InlineData(">>From x\r\n>From y\r\n>z\r\n.\r\n", "X-Mailbox-Line: >>From x\nX-Mailbox-Line: >From y\n>z\n")]
    [InlineData(" x\r\n.\r\n", "\n x\n")]
    [InlineData("Fro\r\n.\r\n", "Fro\n")]
    [InlineData(". x\r\n y\r\n.\r\n", "\n x\n y\n")]
    [InlineData(".From x\r\n.>From y\r\nA: b\r\n.\r\n", "X-Mailbox-Line: From x\nX-Mailbox-Line: >From y\nA: b\n")]
    [InlineData(".\n\tx\r\n.\r\n", "\n\tx\n")]
    [InlineData(".\rx\r\n y\r\n.\r\n", "\rx\n y\n")]
    [InlineData("a\r\nFrom b\r\n.\r\n", "a\nFrom b\n")]
    public void Decodes_data(string wire, string content)
    {
        for (var cut = 0; cut <= wire.Length; cut++)
        {
            var (decoded, used) = Decode(wire, cut, true, true);
            Assert.Equal(content, decoded);
            Assert.Equal(wire.Length, used);
        }
    }

    [Theory]
    [InlineData("a\r\n.\r\nb", "a\n.\nb\n")]
    [InlineData("a\r", "a\r\n")]
    [InlineData(">>Fr", ">>Fr\n")]
    [InlineData("", "")]
    [InlineData("x\n\r\n", "x\n\n")]
    public void Decodes_counted_content(string wire, string content)
    {
        var decoder = new DataDecoder(false, true);
        var output = new byte[wire.Length + DataDecoder.Slack];
        decoder.Decode(Encoding.Latin1.GetBytes(wire), output, out _, out var written);
        var text = Encoding.Latin1.GetString(output, 0, written);
        written = decoder.Finish(output);
        Assert.Equal(content, text + Encoding.Latin1.GetString(output, 0, written));
    }

    [Fact]
    public void Counts_the_size_as_on_the_wire()
    {
        var decoder = new DataDecoder(true, true);
        var output = new byte[256];
        decoder.Decode("ab\r\n..c\nd\r\n.\r\n"u8, output, out _, out _);
        Assert.Equal(4 + 4 + 3, decoder.WireSize);
        Assert.True(decoder.SawBareLf);
    }

    /// <summary>All texts of up to seven bytes: the end is found exactly where CR LF "." CR LF is, and cutting changes nothing.</summary>
    [Fact]
    public void Only_the_standard_end_ends_wherever_input_is_cut()
    {
        var alphabet = "\r\n.a";
        for (var length = 0; length <= 7; length++)
        {
            var digits = new char[length];
            for (var number = 0; number < Math.Pow(4, length); number++)
            {
                for (int i = 0, rest = number; i < length; i++, rest /= 4)
                {
                    digits[i] = alphabet[rest % 4];
                }
                Check("a\r\n" + new string(digits) + "a\r\nHIDDEN\r\n");
            }
        }
    }

    [Fact]
    public void Random_pieces_decode_as_the_whole()
    {
        Gen.Select(Gen.Char["\r\n.a>From "].Array[0, 40], Gen.Int[0, 40]).Sample((chars, cut) =>
        {
            var wire = new string(chars);
            var whole = Decode(wire, 0, true, true);
            var pieces = Decode(wire, Math.Min(cut, wire.Length), true, true);
            return whole == pieces && whole.Content.Length <= (wire.Length * 4) + 16;
        });
    }

    /// <summary>Longer pieces are decoded a vector at a time, single bytes are not.</summary>
    [Fact]
    public void Vectors_decode_as_single_bytes() =>
        Gen.Select(Gen.Char["\r\n.aaaaaaaaaaaaaaaaaaaaaa"].Array[0, 300], Gen.Bool, Gen.Bool, Gen.Int[17, 90]).Sample((chars, dots, standard, step) =>
        {
            var wire = Encoding.Latin1.GetBytes(chars);
            var (bytes, vectors) = (Steps(wire, dots, standard, 1), Steps(wire, dots, standard, step));
            Assert.Equal(bytes, vectors);
        });

    private static (string Content, int Used, long Size, bool BareLf) Steps(byte[] wire, bool dots, bool standard, int step)
    {
        var decoder = new DataDecoder(dots, standard);
        var output = new byte[step + DataDecoder.Slack];
        var content = new StringBuilder();
        var at = 0;
        while (at < wire.Length)
        {
            var ended = decoder.Decode(wire.AsSpan(at, Math.Min(step, wire.Length - at)), output, out var consumed, out var written) == DataProgress.End;
            at += consumed;
            content.Append(Encoding.Latin1.GetString(output, 0, written));
            if (ended)
            {
                return (content.ToString(), at, decoder.WireSize, decoder.SawBareLf);
            }
        }
        content.Append(Encoding.Latin1.GetString(output, 0, decoder.Finish(output)));
        return (content.ToString(), at, decoder.WireSize, decoder.SawBareLf);
    }

    private static void Check(string wire)
    {
        var at = wire.IndexOf("\r\n.\r\n", StringComparison.Ordinal);
        var (whole, used) = Decode(wire, 0, true, true);
        if (used < wire.Length)
        {
            // The end is a standard one; an earlier one is only passed over when its first CR LF ended a line that began after a bare LF.
            Assert.Equal("\r\n.\r\n", wire.Substring(used - 5, 5));
        }
        else
        {
            Assert.True(at < 0, $"no end found in {Show(wire)}");
        }
        for (var cut = 1; cut < wire.Length; cut++)
        {
            Assert.Equal((whole, used), Decode(wire, cut, true, true));
        }
    }

    private static string Show(string text) => text.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static (string Content, int Used) Decode(string wire, int cut, bool dots, bool standard)
    {
        var decoder = new DataDecoder(dots, standard);
        var bytes = Encoding.Latin1.GetBytes(wire);
        var output = new byte[bytes.Length + DataDecoder.Slack];
        var content = new StringBuilder();
        var at = 0;
        foreach (var end in new[] { cut, bytes.Length })
        {
            while (at < end)
            {
                var progress = decoder.Decode(bytes.AsSpan(at, end - at), output.AsSpan(0, end - at + DataDecoder.Slack), out var consumed, out var written);
                Assert.True(consumed > 0);
                content.Append(Encoding.Latin1.GetString(output, 0, written));
                at += consumed;
                if (progress == DataProgress.End)
                {
                    return (content.ToString(), at);
                }
            }
        }
        return (content.ToString(), at);
    }
}
