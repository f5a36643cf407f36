using CsCheck;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Cleanup;

public sealed class ProbeAndVerpTests
{
    [Fact]
    public async Task A_probe_is_mail_of_our_own_and_keeps_the_address_it_asks_about()
    {
        var tables = new MemoryTables().Add("hash:virtual", ("one@dest.example", "alice"));
        var bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual"), ("always_bcc", "archive@dest.example"), ("enable_original_recipient", "no"));
        var result = await bench.SendAsync(CleanupBench.From("double-bounce", MessageOrigin.Verify, MessageFlags.Probe), "", ["one@dest.example"]);
        Assert.Equal(new CleanupResult(CleanupStatus.Ok), result);
        Assert.Equal("alice@dest.example|one@dest.example", bench.Recipients);
        Assert.Equal("double-bounce@dest.example", bench.Envelope.Sender);
        Assert.Matches("^Received: by mx.dest.example \\(Postfix\\)\\n\\tid .*\\nMessage-Id: .*\\nDate: .*\\nFrom: double-bounce@dest.example\\n$", bench.Text);
    }

    [Fact]
    public async Task A_probe_of_an_alias_for_several_ends_here_and_says_that_it_is_good()
    {
        var tables = new MemoryTables().Add("hash:virtual", ("many@dest.example", "alice, bob"));
        var bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual"));
        var result = await bench.SendAsync(CleanupBench.From("double-bounce", MessageOrigin.Verify, MessageFlags.Probe), "", ["many@dest.example"]);
        Assert.Equal(new CleanupResult(CleanupStatus.Ok, "aliased to multiple recipients"), result);
        Assert.Empty(bench.Envelope.Recipients);
        Assert.Contains(bench.Log.Lines, line => line.EndsWith(
            ": to=<many@dest.example>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=deliverable (aliased to multiple recipients)", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a@sender.example", "+=", "+=", null)]
    [InlineData("", "+=", "", "ignoring VERP request for null sender")]
    [InlineData("a@sender.example", "ab", "", "ignoring bad VERP request: \"ab\"")]
    public async Task Verp_needs_a_sender_and_two_delimiters(string sender, string asked, string kept, string? warning)
    {
        var bench = new CleanupBench();
        var envelope = CleanupBench.From(sender);
        envelope.Verp = asked;
        Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(envelope, "Subject: x\n\nx\n", ["b@dest.example"])).Status);
        Assert.Equal(kept, bench.Envelope.Verp);
        Assert.Equal(warning is not null, bench.Log.Lines.Any(line => warning is not null && line.EndsWith(warning, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public async Task Characters_are_stripped_however_content_is_cut(int piece)
    {
        var bench = new CleanupBench(null, ("message_strip_characters", "\\1z\\\\\\t"));
        await bench.SendAsync(CleanupBench.From("a@sender.example"), "Subject: s\u0001zi\\p\n\nb\tod\u0001y\n", ["b@dest.example"], piece);
        Assert.Equal("Subject: sip\n\nbody\n", bench.Text);
    }

    [Theory]
    [InlineData("Subject: re\u0002ject\n\nbody\n", "Subject: re?ject")]
    [InlineData("Subject: x\n\nbo\u0002dy\nmore\n", "bo?dy")]
    public async Task Characters_are_refused_in_mail_from_outside_only(string content, string line)
    {
        var bench = new CleanupBench(null, ("message_reject_characters", "\\002"));
        var envelope = CleanupBench.From("a@sender.example");
        envelope.Client = new ClientInfo("c.example", "192.0.2.1", 1, "c.example", "helo.example", "ESMTP");
        Assert.Equal(new CleanupResult(CleanupStatus.Rejected, "5.7.1 disallowed character"), await bench.SendAsync(envelope, content, ["b@dest.example"]));
        Assert.Empty(bench.Incoming.Messages);
        Assert.Contains(bench.Log.Lines, text => text.EndsWith(
            $": reject: content {line} from c.example[192.0.2.1]; from=<a@sender.example> to=<b@dest.example> proto=ESMTP helo=<helo.example>: 5.7.1 disallowed character",
            StringComparison.Ordinal));
        Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(CleanupBench.From("", MessageOrigin.Bounce), content, ["b@dest.example"])).Status);
    }

    // Postfix: what receive_override_options takes header and body checks from.
    [Theory]
    [InlineData(MessageOrigin.Smtpd, MessageFlags.None, CleanupStatus.Rejected)]
    [InlineData(MessageOrigin.Smtpd, MessageFlags.NoHeaderBodyChecks, CleanupStatus.Ok)]
    [InlineData(MessageOrigin.Smtpd, MessageFlags.NoAddressMappings, CleanupStatus.Rejected)]
    [InlineData(MessageOrigin.Pickup, MessageFlags.None, CleanupStatus.Rejected)]
    [InlineData(MessageOrigin.Pickup, MessageFlags.NoHeaderBodyChecks, CleanupStatus.Ok)]
    public async Task Characters_are_refused_where_headers_and_bodies_are_checked(MessageOrigin origin, MessageFlags flags, CleanupStatus status)
    {
        var bench = new CleanupBench(null, ("message_reject_characters", "\\002"));
        Assert.Equal(status, (await bench.SendAsync(CleanupBench.From("a@sender.example", origin, flags), "Subject: x\n\nbo\u0002dy\n", ["b@dest.example"])).Status);
    }

    [Fact]
    public void An_escape_that_is_none_is_named() =>
        Assert.Contains("message_strip_characters", Assert.Throws<ConfigException>(() => new CleanupBench(null, ("message_strip_characters", "\\x"))).Message, StringComparison.Ordinal);

    [Fact]
    public void No_text_from_outside_adds_a_header_line() =>
        Gen.Select(
            Gen.String[Gen.OneOf(Gen.Char['\u0001', '\u007e'], Gen.Char["\n\r\"\\:@<>,("])].Where(text => text.Length < 60),
            Gen.Bool).Sample(async (evil, quoted) =>
        {
            var value = quoted ? $"\"{evil}\"@remote.example" : evil + "@remote.example";
            var tables = new MemoryTables().AddPattern("regexp:evil", key => key == "bob@dest.example" && value.Trim().Length > 0 ? value : null);
            var bench = new CleanupBench(tables, ("canonical_maps", "regexp:evil"));
            var envelope = CleanupBench.Local("bob", evil.Replace("\n", " ").Replace("\r", " "));
            if ((await bench.SendAsync(envelope, "To: bob\n\nbody\n", ["carol@dest.example"])).Status == CleanupStatus.TryAgain)
            {
                // No address in it at all.
                return;
            }
            var headers = bench.Text[..bench.Text.IndexOf("\n\nbody\n", StringComparison.Ordinal)].Split('\n').Where(line => line is not [' ' or '\t', ..]);
            Assert.Equal(["To", "Message-Id", "Date", "From"], headers.Select(line => line.Split(':')[0]));
        }, iter: 500);
}
