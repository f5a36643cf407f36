using System.Buffers;
using System.Text;
using CsCheck;
using Facteur.Mail.Dsn;

namespace Facteur.Mail.Tests.Dsn;

public sealed class LineWrapTests
{
    [Theory]
    [InlineData("", "\n")]
    [InlineData("short", "short\n")]
    [InlineData("12345 7890", "12345 7890\n")]
    [InlineData("12345 78901", "12345\n  78901\n")]
    [InlineData("a  b", "a  b\n")]
    [InlineData("averyverylongword x", "averyverylongword\n  x\n")]
    [InlineData("x averyverylongword", "x\n  averyverylongword\n")]
    [InlineData("1234567 1234567 123 5678", "1234567\n  1234567\n  123 5678\n")]
    [InlineData("trailing ", "trailing\n")]
    public void Lines_end_at_words(string text, string expected) => Assert.Equal(expected, Wrap(text));

    [Fact]
    public void No_word_is_lost_and_no_line_that_could_be_cut_is_too_long() =>
        Gen.Char["ab  \t"].Array[0, 60].Sample(chars =>
        {
            var text = "w" + new string(chars);
            var lines = Wrap(text).Split('\n')[..^1];
            Assert.Equal(text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries), lines.SelectMany(l => l.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)));
            Assert.All(lines, l => Assert.True(l.Length <= 10 || !l.Trim().Contains(' ')));
        });

    private static string Wrap(string text)
    {
        var output = new ArrayBufferWriter<byte>();
        LineWrap.Write(Encoding.UTF8.GetBytes(text), 10, 2, output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
