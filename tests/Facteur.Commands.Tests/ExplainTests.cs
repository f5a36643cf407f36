using System.Net;

namespace Facteur.Commands.Tests;

/// <summary>The command line of "facteur explain".</summary>
public sealed class ExplainTests
{
    private static (int Status, ExplainQuestion? Question, string Error) Run(params string[] arguments)
    {
        ExplainQuestion? asked = null;
        var error = new StringWriter();
        var context = new CommandContext("explain", arguments, Stream.Null, new StringWriter(), error, TimeProvider.System, new Dictionary<string, string>());
        var status = Explain.Run(context, question =>
        {
            asked = question;
            return 0;
        });
        return (status, asked, error.ToString());
    }

    [Fact]
    public void An_address_is_taken_without_its_brackets()
    {
        var (status, question, _) = Run("-c", "/etc/x", "address", "<joe@example.com>", "--from", "<>");
        Assert.Equal(0, status);
        Assert.Equal(("/etc/x", "joe@example.com", ""), (question!.ConfigDirectory, question.Address, question.Sender));
    }

    [Fact]
    public void A_session_has_all_it_was_given()
    {
        var (status, question, _) = Run("session", "--client", "2001:db8::1", "--name", "mx.example", "--helo", "h", "--from", "", "--to", "<a@b>", "--to", "c@d", "--service", "submission");
        Assert.Equal(0, status);
        Assert.Equal((IPAddress.Parse("2001:db8::1"), "mx.example", "h", "", "submission"), (question!.Client!, question.Name!, question.Helo!, question.Sender!, question.Service));
        Assert.Equal(["a@b", "c@d"], question.Recipients);
        Assert.Null(question.Address);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("address", "expected address ADDRESS or session, not \"address\"")]
    [InlineData("address a --to b", "an address has --from only")]
    [InlineData("session", "a session needs --client IP")]
    [InlineData("session --client x", "--client x: not an IP address")]
    [InlineData("session --client 192.0.2.1 --to a@b", "--to needs --from")]
    [InlineData("session --client 192.0.2.1 --helo a --helo b", "--helo is given twice")]
    [InlineData("session --client 192.0.2.1 --helo", "--helo needs an argument")]
    [InlineData("session --colour", "unknown option --colour")]
    [InlineData("session --client 192.0.2.1 --helo a\nMAIL", "--helo: a line end stands in its argument")]
    public void What_is_wrong_is_said(string arguments, string expected)
    {
        var (status, question, error) = Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal((64, null), (status, question));
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.Contains("usage: facteur explain", error, StringComparison.Ordinal);
    }
}
