using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Cleanup;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Cleanup;

public sealed class RecipientTests
{
    private const string Content = "Received: x\nSubject: v\n\nx\n";

    // Recording 13_virtual_alias.
    [Fact]
    public async Task Expands_virtual_aliases()
    {
        var tables = new MemoryTables()
            .Add(
                "hash:virtual", ("info@virt.example", "alice, bob@dest.example"), ("chain@virt.example", "info@virt.example"), ("remote@virt.example", "x@remote.example"),
                ("loop@virt.example", "loop@virt.example"), ("alice", "carol@dest.example"), ("self@virt.example", "self@virt.example, dave"), ("nobody@virt.example", "<>"),
                ("case@virt.example", "\"alice smith\"@remote.example"), ("@other.example", "@elsewhere.example"))
            .AddPattern("regexp:virtual", key => key == "list-foo@virt.example" ? "foo@remote.example" : null);
        var bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual, regexp:virtual"), ("recipient_delimiter", "+"));
        await bench.SendAsync(
            CleanupBench.From("a@sender.example"), Content,
            ["info@virt.example", "chain@virt.example", "INFO+tag@Virt.Example", "list-foo@virt.example", "loop@virt.example", "remote+x@virt.example", "case@virt.example",
                "self@virt.example", "alice@dest.example", "u@other.example", "nobody@virt.example"]);
        Assert.Equal(
            "carol@dest.example|info@virt.example bob@dest.example|info@virt.example carol@dest.example|chain@virt.example bob@dest.example|chain@virt.example "
            + "carol+tag@dest.example|INFO+tag@Virt.Example bob+tag@dest.example|INFO+tag@Virt.Example foo@remote.example|list-foo@virt.example "
            + "loop@virt.example|loop@virt.example x+x@remote.example|remote+x@virt.example \"alice smith\"@remote.example|case@virt.example "
            + "self@virt.example|self@virt.example dave@dest.example|self@virt.example carol@dest.example|alice@dest.example u@elsewhere.example|u@other.example MAILER-DAEMON@mx.dest.example|nobody@virt.example",
            bench.Recipients);
        Assert.Equal("rfc822;remote+x@virt.example", bench.Envelope.Recipients.Single(r => r.Address == "x+x@remote.example").DsnOriginalRecipient);
    }

    [Theory]
    [InlineData("virtual_alias_expansion_limit", "2", "big@virt.example", "unreasonable virtual_alias_maps map expansion size for big@virt.example")]
    [InlineData("virtual_alias_recursion_limit", "5", "a@ring.example", "unreasonable virtual_alias_maps map nesting for a@ring.example")]
    [InlineData("virtual_alias_address_length_limit", "10", "big@virt.example", "unreasonable virtual_alias_maps result one@dest.example...")]
    [InlineData("virtual_alias_maps", "ldap:down", "u@virt.example", "virtual_alias_maps map lookup problem for u@virt.example")]
    public async Task Refuses_what_expands_without_bound(string parameter, string value, string recipient, string warning)
    {
        var tables = new MemoryTables().Add("hash:virtual", ("big@virt.example", "one@dest.example, two@dest.example, three@dest.example"), ("a@ring.example", "b@ring.example"), ("b@ring.example", "a@ring.example"));
        var bench = new CleanupBench(tables, parameter == "virtual_alias_maps" ? [(parameter, value)] : [("virtual_alias_maps", "hash:virtual"), (parameter, value)]);
        var result = await bench.SendAsync(CleanupBench.From("a@sender.example"), Content, [recipient]);
        Assert.Equal(new CleanupResult(CleanupStatus.TryAgain, "4.6.0 Alias expansion error"), result);
        Assert.Empty(bench.Incoming.Messages);
        Assert.Equal(
            ["postfix/cleanup: 00A1000: message-id=<>", $"postfix/cleanup: warning: 00A1000: {warning} -- message not accepted, try again later",
                "postfix/cleanup: 00A1000: removed (canceled)"],
            bench.Log.Lines);
    }

    /// <summary>RFC 6533: the type utf-8 is for who speaks it.</summary>
    [Theory]
    [InlineData("yes", "utf-8;z\u00f6@remote.example")]
    [InlineData("no", "rfc822;z\u00f6@remote.example")]
    public async Task The_type_of_an_original_recipient(string smtputf8, string expected)
    {
        var bench = new CleanupBench(null, ("smtputf8_enable", smtputf8));
        await bench.SendAsync(CleanupBench.Local("bob@dest.example"), Content, ["z\u00f6@remote.example"]);
        Assert.Equal(expected, Assert.Single(bench.Envelope.Recipients).DsnOriginalRecipient);
    }

    [Fact]
    public async Task Keeps_originals_apart_and_drops_duplicates()
    {
        var tables = new MemoryTables().Add("hash:virtual", ("one@virt.example", "bob@dest.example"), ("two@virt.example", "bob@dest.example"));
        string[] given = ["one@virt.example", "two@virt.example", "bob@dest.example", "BOB@dest.example", "one@virt.example"];
        var bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual"));
        await bench.SendAsync(CleanupBench.From("a@sender.example"), Content, given);
        Assert.Equal("bob@dest.example|one@virt.example bob@dest.example|two@virt.example bob@dest.example|bob@dest.example", bench.Recipients);
        bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual"), ("enable_original_recipient", "no"));
        await bench.SendAsync(CleanupBench.From("a@sender.example"), Content, given);
        // Postfix: the log and the reports still know it.
        Assert.Equal("bob@dest.example|one@virt.example", bench.Recipients);
    }

    [Fact]
    public async Task Answers_SUCCESS_where_an_alias_is_expanded()
    {
        var tables = new MemoryTables().Add("hash:virtual", ("one@virt.example", "bob@dest.example"), ("two@virt.example", "bob@dest.example, carol@dest.example"));
        var bench = new CleanupBench(tables, ("virtual_alias_maps", "hash:virtual"));
        await using var message = await bench.Service.OpenAsync(CleanupBench.From("a@sender.example"), default);
        message!.AddRecipient(new EnvelopeRecipient("one@virt.example", "", "rfc822;orig@x.example", DsnNotify.Success | DsnNotify.Failure));
        message.AddRecipient(new EnvelopeRecipient("two@virt.example", "", "", DsnNotify.Success | DsnNotify.Failure));
        message.AddRecipient(new EnvelopeRecipient("two@virt.example", "again", "", DsnNotify.Success));
        await message.WriteAsync("Subject: x\n\n"u8.ToArray(), default);
        Assert.Equal(CleanupStatus.Ok, (await message.CompleteAsync(default)).Status);
        Assert.Equal(
            "bob@dest.example|one@virt.example|Failure bob@dest.example|two@virt.example|Failure carol@dest.example|two@virt.example|Failure "
            + "bob@dest.example|again|Never carol@dest.example|again|Never "
            + "one@virt.example|one@virt.example|Success, Expanded two@virt.example|two@virt.example|Success, Expanded two@virt.example|again|Success, Expanded",
            bench.Recipients);
        Assert.Equal("rfc822;orig@x.example", bench.Envelope.Recipients[0].DsnOriginalRecipient);
    }

    [Fact]
    public async Task Copies_new_mail_only()
    {
        var tables = new MemoryTables().Add("hash:sbcc", ("a@sender.example", "sarchive")).Add("hash:rbcc", ("bob@dest.example", "rarchive@x.example"));
        var bench = new CleanupBench(tables, ("always_bcc", "all@x.example"), ("sender_bcc_maps", "hash:sbcc"), ("recipient_bcc_maps", "hash:rbcc"));
        await bench.SendAsync(CleanupBench.From("a@sender.example"), Content, ["bob@dest.example", "carol@dest.example"]);
        Assert.Equal(
            "sarchive@dest.example|sarchive@dest.example|Never bob@dest.example|bob@dest.example rarchive@x.example|rarchive@x.example|Never carol@dest.example|carol@dest.example "
            + "all@x.example|all@x.example|Never",
            bench.Recipients);
        foreach (var envelope in new[]
        {
            CleanupBench.From("a@sender.example", MessageOrigin.Forward), CleanupBench.From("a@sender.example", flags: MessageFlags.NoAddressMappings),
            CleanupBench.From("a@sender.example", flags: MessageFlags.VerifyOnly),
        })
        {
            await bench.SendAsync(envelope, Content, ["bob@dest.example"]);
            Assert.Equal("bob@dest.example|bob@dest.example", bench.Recipients);
        }
    }

    [Fact]
    public async Task What_is_requeued_is_copied_again_also_a_report_and_has_no_second_header_of_ours()
    {
        var bench = new CleanupBench(null, ("always_bcc", "all@x.example"));
        await bench.SendAsync(CleanupBench.From("", MessageOrigin.Bounce, MessageFlags.Requeued), Content, ["bob@dest.example"]);
        Assert.Equal("bob@dest.example|bob@dest.example all@x.example|all@x.example|Never", bench.Recipients);
        Assert.StartsWith("Received: x\nSubject: v\n", bench.Text);
    }

    [Fact]
    public async Task Maps_envelope_addresses_by_class()
    {
        var tables = new MemoryTables()
            .Add("hash:c", ("joe@dest.example", "Joe.User"), ("bob@dest.example", "Bob.User@dest.example"))
            .Add("hash:s", ("joe@dest.example", "sender.joe@dest.example"))
            .Add("hash:r", ("joe@dest.example", "rcpt.joe@dest.example"));
        var bench = new CleanupBench(
            tables, ("canonical_maps", "hash:c"), ("sender_canonical_maps", "hash:s"), ("recipient_canonical_maps", "hash:r"), ("recipient_delimiter", "+"),
            ("canonical_classes", "envelope_recipient"), ("masquerade_domains", "!keep.dest.example dest.example"), ("masquerade_classes", "envelope_recipient"));
        await bench.SendAsync(CleanupBench.From("joe"), Content, ["joe", "bob+x@dest.example", "u@a.b.dest.example", "u@keep.dest.example", "u@x.keep.dest.example"]);
        Assert.Equal("sender.joe@dest.example", bench.Envelope.Sender);
        Assert.Equal(
            "rcpt.joe@dest.example|joe Bob.User+x@dest.example|bob+x@dest.example u@dest.example|u@a.b.dest.example u@keep.dest.example|u@keep.dest.example "
            + "u@x.keep.dest.example|u@x.keep.dest.example",
            bench.Recipients);
    }

    [Theory]
    [InlineData("MAILER-DAEMON", "")]
    [InlineData("mailer-daemon@dest.example", "")]
    [InlineData("mailer-daemon@x.example", "mailer-daemon@x.example")]
    [InlineData("joe", "joe@dest.example")]
    [InlineData("", "")]
    [InlineData("@r.example:joe@x.example", "joe@x.example")]
    public async Task Rewrites_the_sender(string given, string expected)
    {
        var bench = new CleanupBench();
        await bench.SendAsync(CleanupBench.From(given), Content, ["", "bob"]);
        Assert.Equal(expected, bench.Envelope.Sender);
        Assert.Equal("MAILER-DAEMON@dest.example|MAILER-DAEMON@dest.example bob@dest.example|bob", bench.Recipients);
    }

    [Theory]
    [InlineData("canonical_maps")]
    [InlineData("sender_canonical_maps")]
    [InlineData("recipient_canonical_maps")]
    [InlineData("sender_bcc_maps")]
    [InlineData("recipient_bcc_maps")]
    public async Task Never_accepts_mail_while_a_table_is_down(string parameter)
    {
        var bench = new CleanupBench(null, (parameter, "ldap:down"));
        Assert.Equal(CleanupStatus.TryAgain, (await bench.SendAsync(CleanupBench.From("a@sender.example"), Content, ["bob@dest.example"])).Status);
        Assert.Empty(bench.Incoming.Messages);
        Assert.Contains($"{parameter} map lookup problem for ", string.Join('\n', bench.Log.Lines));
    }

    [Fact]
    public async Task Never_accepts_mail_while_the_rewriter_is_down()
    {
        var (tables, incoming, log) = (new MemoryTables(), new FakeIncoming(), new ServiceLog(new TestLog(), "postfix/cleanup"));
        var config = new TestConfig(("virtual_maps", ""));
        var service = new CleanupService(
            config, incoming, new FakeRewrite { Fails = true }, tables, new MemoryAddressMaps(), new MemoryMatchLists(tables), log, new FixedTime());
        await using var message = await service.OpenAsync(CleanupBench.From("a@sender.example"), default);
        message!.AddRecipient(new EnvelopeRecipient("bob"));
        await message.WriteAsync("Subject: x\n\n"u8.ToArray(), default);
        Assert.Equal(CleanupStatus.TryAgain, (await message.CompleteAsync(default)).Status);
        Assert.Empty(incoming.Messages);
    }

    [Fact]
    public async Task Tells_that_there_is_nobody_to_send_to()
    {
        var bench = new CleanupBench(null, ("always_bcc", "all@x.example"));
        Assert.Equal(CleanupStatus.NoRecipients, (await bench.SendAsync(CleanupBench.Local("alice"), "Subject: x\n\nx\n", [], fromHeaders: true)).Status);
    }
}
