using System.Text;
using CsCheck;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Smtp;

public sealed class DotStufferTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("a\n", "a\r\n")]
    [InlineData(".\n", "..\r\n")]
    [InlineData("..\n.x\n\n", "...\r\n..x\r\n\r\n")]
    [InlineData("a.\n", "a.\r\n")]
    [InlineData("no end", "no end")]
    [InlineData("12345678\n", "12345678\r\n")]
    [InlineData("123456789\n", "12345678\r\n 9\r\n")]
    [InlineData("12345678.\n", "12345678\r\n .\r\n")]
    [InlineData("1234567890123456\n", "12345678\r\n 9012345\r\n 6\r\n")]
    [InlineData("1234567\u00e9x\n", "1234567\r\n \u00e9x\r\n")]
    public void Content_becomes_what_DATA_carries(string content, string wire) =>
        Assert.Equal(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(wire)), Encode(Encoding.UTF8.GetBytes(content), 8, [100], 4096));

    [Fact]
    public void Without_limit_lines_stay_whole()
    {
        var line = new string('x', 5000);
        Assert.Equal(line + "\r\n", Encode(Encoding.UTF8.GetBytes(line + "\n"), 0, [6000], 64));
    }

    /// <summary>However content is cut and however small the room is, the wire carries the same, and its lines decode to the content.</summary>
    [Fact]
    public void Pieces_and_room_do_not_matter() =>
        Gen.Select(Gen.OneOf(Gen.Const((byte)'\n'), Gen.Const((byte)'.'), Gen.Const((byte)'a'), Gen.Byte).Array[0, 200], Gen.Int[1, 40].Array[1, 10], Gen.Int[16, 64])
            .Sample((content, pieces, room) =>
            {
                var wire = Encode(content, 0, pieces, room);
                Assert.Equal(Encode(content, 0, [1000], 4096), wire);
                var lines = wire.Split("\r\n");
                Assert.DoesNotContain(lines[..^1], line => line == ".");
                Assert.Equal(Encoding.Latin1.GetString(content), string.Join('\n', lines.Select(line => line.StartsWith('.') ? line[1..] : line)));
            });

    [Fact]
    public void Cut_lines_are_never_longer_than_the_limit_and_lose_nothing() =>
        Gen.Select(Gen.OneOf(Gen.Const((byte)'\n'), Gen.Const((byte)'.'), Gen.Const((byte)'a'), Gen.Byte).Array[0, 300], Gen.Int[1, 40].Array[1, 10], Gen.Int[16, 64])
            .Sample((content, pieces, room) =>
            {
                content = [.. content.Where(b => b is not ((byte)'\r' or (byte)' '))];
                var wire = Encode(content, 20, pieces, room);
                Assert.All(wire.Split("\r\n"), line => Assert.True(line.Length <= 22));
                var joined = wire.Replace("\r\n ", "", StringComparison.Ordinal).Split("\r\n").Select(line => line.StartsWith('.') ? line[1..] : line);
                Assert.Equal(Encoding.Latin1.GetString(content), string.Join('\n', joined));
            });

    private static string Encode(byte[] content, int limit, int[] pieces, int room)
    {
        var stuffer = new DotStuffer(limit);
        var wire = new List<byte>();
        var into = new byte[room];
        var at = 0;
        for (var i = 0; at < content.Length; i++)
        {
            var piece = content.AsSpan(at, Math.Min(pieces[i % pieces.Length], content.Length - at));
            at += piece.Length;
            while (!piece.IsEmpty)
            {
                var written = stuffer.Encode(piece, into, out var consumed);
                Assert.True(consumed > 0 || written > 0);
                wire.AddRange(into[..written]);
                piece = piece[consumed..];
            }
        }
        return Encoding.Latin1.GetString([.. wire]);
    }
}
