using CsCheck;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Addresses;

public sealed class AddressPartsTests
{
    [Fact]
    public void Quoting_brings_every_local_part_back() =>
        Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char['\u00a1', '\u04ff'], Gen.Char["\"\\@. "])].Sample(raw =>
        {
            var quoted = AddressParts.Quote(raw);
            Assert.Equal(raw, AddressParts.Unquote(quoted));
            // Quoted once more it does not change: an address has one form in all tables.
            Assert.Equal(quoted, AddressParts.Quote(AddressParts.Unquote(quoted)));
            Assert.True(quoted == raw || quoted is ['"', .., '"']);
        });

    [Fact]
    public void Every_local_part_comes_through_a_command_as_it_is() =>
        Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char['\u00a1', '\u04ff'], Gen.Char["\"\\@. <>:,;%!"])].Where(raw => raw.Length is > 0 and < 100).Sample(raw =>
        {
            foreach (var domain in (string[])["d.example", "[192.0.2.1]"])
            {
                var address = $"{AddressParts.Quote(raw)}@{domain}";
                var tokens = new List<CommandToken>();
                CommandLine.Tokenize($"RCPT TO:<{address}> NOTIFY=NEVER", tokens);
                Assert.Equal(["RCPT", "TO:", $"<{address}>", "NOTIFY=NEVER"], tokens.Select(token => token.Text));
                // Postfix: the strict rules refuse one that begins with "@".
                foreach (var strict in raw[0] == '@' ? (bool[])[false] : [false, true])
                {
                    Assert.True(SmtpPath.TryParse(tokens[2].Text, strict, out var read));
                    Assert.Equal(address, read);
                    Assert.Equal((raw, domain), (AddressParts.Unquote(AddressParts.Split(read).Local), AddressParts.Split(read).Domain));
                }
            }
        });

    [Theory]
    [InlineData("owner-list", "-", true, "owner-list", null)]
    [InlineData("list-request", "+-", true, "list-request", null)]
    [InlineData("owner-list", "-", false, "owner", "list")]
    [InlineData("list-request", "+-", false, "list", "request")]
    [InlineData("owner-list+x", "+", true, "owner-list", "x")]
    [InlineData("mailer-daemon", "-", false, "mailer-daemon", null)]
    public void Names_of_lists_stay_whole_unless_told_to(string local, string delimiters, bool keeps, string user, string? extension) =>
        Assert.Equal((user, extension), AddressParts.SplitExtension(local, new(delimiters, keeps)));

    [Theory]
    [InlineData("list@sender.example", "user@remote.example", "", "list+user=remote.example@sender.example")]
    [InlineData("list@sender.example", "user@remote.example", "other@given.example", "list+other=given.example@sender.example")]
    [InlineData("list", "user", "", "list+user")]
    [InlineData("\"a b\"@sender.example", "\"c d\"@remote.example", "", "\"a b+c d=remote.example\"@sender.example")]
    [InlineData("", "user@remote.example", "", "")]
    public void A_verp_sender_names_the_recipient_as_its_sender_wrote_it(string sender, string recipient, string original, string expected) =>
        Assert.Equal(expected, Verp.Sender("+=", sender, new EnvelopeRecipient(recipient, original)));

    [Theory]
    [InlineData("+=", true)]
    [InlineData("--", true)]
    [InlineData("+", false)]
    [InlineData("+=+", false)]
    [InlineData("+a", false)]
    public void Delimiters_are_two_of_the_filter(string delimiters, bool valid) => Assert.Equal(valid, Verp.IsValid(delimiters, "-=+"));

    [Fact]
    public void The_sender_of_probes_changes_with_time_and_is_known_one_period_before_and_after()
    {
        const string configured = "double-bounce@dest.example";
        Assert.Equal("", ProbeSender.Make("<>", 3600, 1_000_000));
        Assert.Equal(configured, ProbeSender.Make(configured, 0, 1_000_000));
        var now = ProbeSender.Make(configured, 3600, 1_000_000);
        Assert.NotEqual(now, ProbeSender.Make(configured, 3600, 1_003_600));
        // Postfix: 277 periods, base 31 (without vowels, and not in lower case).
        Assert.Equal("double-bounce8Y@dest.example", now);
        Assert.StartsWith("double-bounce", now);
        Assert.EndsWith("@dest.example", now);
        Assert.True(ProbeSender.IsValid(now.ToUpperInvariant(), configured, 3600, 1_003_600));
        Assert.True(ProbeSender.IsValid(now, configured, 3600, 996_400));
        Assert.False(ProbeSender.IsValid(now, configured, 3600, 1_010_800));
        Assert.False(ProbeSender.IsValid(configured, configured, 3600, 1_000_000));
        Assert.True(ProbeSender.IsValid(configured, configured, 0, 1_000_000));
        Assert.False(ProbeSender.IsValid("", "<>", 0, 1_000_000));
    }
}
