using System.Text;
using CsCheck;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Testing;

namespace Facteur.Services.Tests.Receive.Cleanup;

public sealed class ContentTests
{
    private const string Full = "From: a@b.example\nTo: c@d.example\nDate: x\nMessage-Id: <i@h>\n";

    [Theory]
    [InlineData("To: bob, carol@host, \"D E\" <dave> (Dave)\n", "To: bob@dest.example, carol@host, \"D E\" <dave@dest.example>(Dave)\n")]
    [InlineData("To: bob smith\n", "To: bob@dest.example, smith@dest.example\n")]
    [InlineData("To: Carol\n\t<carol@x.example>\n", "To: Carol\n\t<carol@x.example>\n")]
    [InlineData("To: Carol\n\t<carol>,\n   bob\n", "To: Carol <carol@dest.example>, bob@dest.example\n")]
    [InlineData("To: joe @ host.example (x)\n", "To: joe @ host.example (x)\n")]
    [InlineData("To: <@a.example,@b.example:joe@c.example>\n", "To: <joe@c.example>\n")]
    [InlineData("To: undisclosed-recipients:;\n", "To: undisclosed-recipients:;\n")]
    // As Postfix 3.7 rewrites it.
    [InlineData("To: bob, @route.example:dave@c.example, nobody:;\n", "To: bob@dest.example, dave@c.example, nobody: ;\n")]
    [InlineData("To: grp: dave, John Q. Public <john>;, eve\n", "To: grp: dave@dest.example, John Q.Public <john@dest.example>;,\n\teve@dest.example\n")]
    [InlineData("To: b\u00f6b <bob>\n", "To: b\u00f6b <bob@dest.example>\n")]
    [InlineData("Cc: <>\n", "Cc: <>\n")]
    [InlineData("Reply-To: joe%site\n", "Reply-To: joe@site\n")]
    [InlineData("X-To: bob\n", "X-To: bob\n")]
    [InlineData("To : bob\n", "To: bob@dest.example\n")]
    [InlineData("BCC: bob\nContent-Length: 3\nReturn-Path: <x>\n", "")]
    [InlineData(
        "To: a123456789012345678901234567890@x.example, b123456789012345678901234567890@x.example, c\n",
        "To: a123456789012345678901234567890@x.example,\n\tb123456789012345678901234567890@x.example, c@dest.example\n")]
    public async Task Rewrites_headers_of_local_mail(string given, string expected)
    {
        var bench = new CleanupBench();
        await bench.SendAsync(CleanupBench.Local("alice"), $"{Full.Replace("To: c@d.example\n", "")}{given}\nbody\n", ["bob"]);
        Assert.Equal(Full.Replace("To: c@d.example\n", "") + expected + "\nbody\n", bench.Text);
    }

    [Fact]
    public async Task Leaves_headers_of_remote_mail_alone()
    {
        var bench = new CleanupBench();
        var content = "Received: x\nTo: bob,\n\tcarol (x)\nFrom : joe\nBcc: eve\nResent-Bcc: bob\n\nbody";
        await bench.SendAsync(CleanupBench.From("a@b.example"), content, ["bob@dest.example"]);
        // But for blanks in front of a colon, by which patterns would be evaded.
        Assert.Equal("Received: x\nTo: bob,\n\tcarol (x)\nFrom: joe\n\nbody\n", bench.Text);
        bench = new CleanupBench(null, ("remote_header_rewrite_domain", "invalid.example"));
        await bench.SendAsync(CleanupBench.From("a@b.example"), "Received: x\nTo: bob\nFrom: joe@x.example\nDate: d\nMessage-Id: <m>\n\nbody", ["bob@dest.example"]);
        Assert.Equal("Received: x\nTo: bob@invalid.example\nFrom: joe@x.example\nDate: d\nMessage-Id: <m>\n\nbody\n", bench.Text);
    }

    [Fact]
    public async Task Maps_header_addresses_by_class()
    {
        var tables = new MemoryTables().Add("hash:c", ("joe@host.dest.example", "Joe.User@dest.example")).Add("hash:r", ("bob", "Bob.User"));
        var bench = new CleanupBench(
            tables, ("canonical_maps", "hash:c"), ("recipient_canonical_maps", "hash:r"), ("masquerade_domains", "dest.example"), ("masquerade_exceptions", "root"));
        await bench.SendAsync(
            CleanupBench.Local("alice"), "From: Joe <joe@host.dest.example>\nSender: root@host.dest.example\nTo: bob, eve@a.dest.example\nReply-To: bob\nDate: d\nMessage-Id: <m>\n\n", ["bob"]);
        Assert.Equal(
            "From: Joe <Joe.User@dest.example>\nSender: root@host.dest.example\nTo: Bob.User@dest.example, eve@dest.example\nReply-To: bob@dest.example\nDate: d\nMessage-Id: <m>\n\n", bench.Text);
        var envelope = CleanupBench.Local("alice");
        envelope.Flags |= MessageFlags.NoAddressMappings;
        await bench.SendAsync(envelope, "From: joe@host.dest.example\nTo: bob\nDate: d\nMessage-Id: <m>\n\n", ["bob"]);
        Assert.Equal("From: joe@host.dest.example\nTo: bob@dest.example\nDate: d\nMessage-Id: <m>\n\n", bench.Text);
    }

    [Theory]
    [InlineData("Subject: x", "Subject: x\n")]
    [InlineData("Subject: x\n", "Subject: x\n")]
    [InlineData("Subject: x\n\n", "Subject: x\n\n")]
    [InlineData("Subject: x\nbody", "Subject: x\n\nbody\n")]
    [InlineData("Subject: x\n folded\n\tmore\n\n\nbody\n", "Subject: x\n folded\n\tmore\n\n\nbody\n")]
    [InlineData("\nbody\n", "\nbody\n")]
    [InlineData("body", "\nbody\n")]
    [InlineData(" body\n", "\n body\n")]
    [InlineData("", "")]
    [InlineData(">From x y\nFrom a b\nSubject: x\n\nFrom c\n", "Mailbox-Line: >From x y\nMailbox-Line: From a b\nSubject: x\n\nFrom c\n")]
    [InlineData("A: b\nSubject: x\nFrom a b\n", "A: b\nSubject: x\n\nFrom a b\n")]
    [InlineData("Subject: a\rb\n\nx\ry\r\n", "Subject: a b\n\nx y \n")]
    public async Task Finds_the_end_of_the_headers(string given, string expected)
    {
        foreach (var piece in new[] { 1, 3, 1000 })
        {
            var bench = new CleanupBench();
            Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(CleanupBench.From("a@b.example"), given, ["bob@dest.example"], piece)).Status);
            Assert.Equal(expected, bench.Text);
        }
    }

    [Fact]
    public async Task Cuts_headers_that_are_too_long()
    {
        var bench = new CleanupBench(null, ("header_size_limit", "300"), ("line_length_limit", "512"));
        var content = $"X-Long: {new string('a', 2000)}\n {new string('b', 100)}\nX-Folded: {new string('c', 200)}\n {new string('d', 200)}\n {new string('e', 200)}\n\nx\n";
        await bench.SendAsync(CleanupBench.From("a@b.example"), content, ["bob@dest.example"], 17);
        // Postfix: at the byte, unless a line ends near the limit.
        Assert.Equal($"X-Long: {new string('a', 292)}\nX-Folded: {new string('c', 200)}\n {new string('d', 88)}\n\nx\n", bench.Text);
    }

    /// <summary>As Postfix 3.7: the envelope of this message takes 702 bytes with a queue id of 7, the marks at the end 4.</summary>
    [Theory]
    [InlineData(0, CleanupStatus.Ok)]
    [InlineData(1, CleanupStatus.TooLarge)]
    public async Task The_size_limit_is_one_of_the_queue_file(int more, CleanupStatus expected)
    {
        static Envelope Message() => new()
        {
            Sender = "a@sender.example",
            Client = new ClientInfo("client.good.example", "127.0.7.1", 34041, "client.good.example", "c.example", "ESMTP"),
            ArrivalMicros = 1_795_433_690_731_512,
        };
        const string start = "From: a\nDate: x\nMessage-Id: <a>\nTo: b\n\n";
        var bench = new CleanupBench();
        await bench.SendAsync(Message(), start + "{Q}\n", ["alice@dest.example"]);
        var id = bench.Text[(bench.Text.LastIndexOf("\n\n", StringComparison.Ordinal) + 2)..].TrimEnd();
        // A line is a record with three bytes in front of it when it is longer than 127.
        var line = new string('y', 1000 - (702 - "B3DF852".Length + id.Length) - 4 - ((int)bench.Envelope.ContentSize - 2 - id.Length) - 3 + more) + "\n";
        bench = new CleanupBench(null, ("message_size_limit", "1000"));
        Assert.Equal(expected, (await bench.SendAsync(Message(), start + line, ["alice@dest.example"])).Status);
    }

    [Fact]
    public async Task Refuses_mail_that_goes_round_in_circles()
    {
        var bench = new CleanupBench(null, ("hopcount_limit", "5"));
        var ok = string.Concat(Enumerable.Repeat("Received: x\n", 4)) + "\nReceived: body\n";
        Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(CleanupBench.From("a@b.example"), ok, ["bob@dest.example"])).Status);
        Assert.Equal(CleanupStatus.TooManyHops, (await bench.SendAsync(CleanupBench.From("a@b.example"), "Received: x\n" + ok, ["bob@dest.example"])).Status);
        Assert.Equal(
            ["postfix/cleanup: warning: 00A1001: message rejected: hopcount exceeded", "postfix/cleanup: 00A1001: removed (canceled)"], bench.Log.Lines.Skip(1));
    }

    [Fact]
    public async Task Sends_small_mail_whole_and_large_mail_in_pieces()
    {
        var bench = new CleanupBench();
        var line = new string('x', 79) + "\n";
        await bench.SendAsync(CleanupBench.From("a@b.example"), "Subject: s\n\n" + string.Concat(Enumerable.Repeat(line, 400)), ["bob@dest.example"]);
        Assert.Empty(bench.Incoming.Pieces);
        var content = "Subject: s\n\n" + string.Concat(Enumerable.Repeat(line, 4000));
        await bench.SendAsync(CleanupBench.From("a@b.example"), content, ["bob@dest.example"], 50_000);
        Assert.All(bench.Incoming.Pieces, piece => Assert.InRange(piece, 1, 64 << 10));
        Assert.Equal(content, bench.Text);
    }

    [Fact]
    public async Task Refuses_mail_over_the_size_limit_and_takes_back_what_was_sent()
    {
        var bench = new CleanupBench(null, ("message_size_limit", "100000"));
        var content = "Subject: s\n\n" + string.Concat(Enumerable.Repeat(new string('x', 79) + "\n", 2000));
        Assert.Equal(CleanupStatus.TooLarge, (await bench.SendAsync(CleanupBench.From("a@b.example"), content, ["bob@dest.example"], 4096)).Status);
        Assert.Equal([0xA1000ul], bench.Incoming.Aborted);
        Assert.Empty(bench.Incoming.Messages);
    }

    [Fact]
    public async Task Forgets_a_message_that_is_not_completed()
    {
        var bench = new CleanupBench();
        var message = await bench.Service.OpenAsync(CleanupBench.From("a@b.example"), default);
        await message!.WriteAsync(new byte[100_000], default);
        await message.DisposeAsync();
        Assert.Equal([0xA1000ul], bench.Incoming.Aborted);
        Assert.Equal("postfix/cleanup: 00A1000: removed (canceled)", bench.Log.Lines[^1]);
        bench.Incoming.Refuses = true;
        Assert.Null(await bench.Service.OpenAsync(CleanupBench.From("a@b.example"), default));
    }

    [Fact]
    public async Task Says_of_mail_that_is_thrown_away_that_it_was_taken()
    {
        var bench = new CleanupBench();
        var envelope = CleanupBench.From("a@b.example");
        envelope.Flags |= MessageFlags.Discard;
        Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(envelope, "Subject: x\n\n" + new string('x', 100_000), ["bob@dest.example"])).Status);
        Assert.Equal(["postfix/cleanup: 00A1000: removed (discarded)"], bench.Log.Lines);
        Assert.Empty(bench.Incoming.Messages);
        // The decision may come when content is under way.
        var message = await bench.Service.OpenAsync(envelope = CleanupBench.From("a@b.example"), default);
        await message!.WriteAsync(new byte[100_000], default);
        envelope.Flags |= MessageFlags.Discard;
        await message.CompleteAsync(default);
        await message.DisposeAsync();
        Assert.Equal([message.Id], bench.Incoming.Aborted);
        Assert.Equal("postfix/cleanup: 00A1001: removed (discarded)", bench.Log.Lines[^1]);
    }

    [Fact]
    public async Task Hands_on_what_the_queue_says()
    {
        var bench = new CleanupBench();
        bench.Incoming.Result = CleanupStatus.NoSpace;
        Assert.Equal(CleanupStatus.NoSpace, (await bench.SendAsync(CleanupBench.From("a@b.example"), "Subject: x\n\n", ["bob@dest.example"])).Status);
        Assert.Equal("postfix/cleanup: 00A1000: removed (canceled)", bench.Log.Lines[^1]);
    }

    [Theory]
    [InlineData(MessageOrigin.Pickup, "From: b\xC3\xB6" + "b <bob@dest.example>", "x@y.example", true)]
    [InlineData(MessageOrigin.Pickup, "From: bob@dest.example", "zo\u00eb@y.example", true)]
    [InlineData(MessageOrigin.Pickup, "From: bob@dest.example", "x@y.example", false)]
    [InlineData(MessageOrigin.Pickup, "From: b\xF6" + "b <bob@dest.example>", "x@y.example", false)]
    [InlineData(MessageOrigin.Smtpd, "From: b\xC3\xB6" + "b <bob@dest.example>", "x@y.example", false)]
    public async Task Detects_the_need_of_smtputf8(MessageOrigin origin, string header, string recipient, bool needed)
    {
        var bench = new CleanupBench();
        await bench.SendAsync(CleanupBench.From("bob@dest.example", origin), $"{header}\n\nx\n", [recipient]);
        Assert.Equal(needed, bench.Envelope.Flags.HasFlag(MessageFlags.SmtpUtf8));
    }

    [Fact]
    public async Task Shows_the_undisclosed_header()
    {
        var bench = new CleanupBench(null, ("undisclosed_recipients_header", "To: undisclosed-recipients:;"));
        await bench.SendAsync(CleanupBench.Local("alice"), "From: a@b.example\nDate: d\nMessage-Id: <m>\nBcc: eve\n\n", ["bob"]);
        Assert.Equal("From: a@b.example\nDate: d\nMessage-Id: <m>\nTo: undisclosed-recipients:;\n\n", bench.Text);
    }

    [Fact]
    public void Passes_any_bytes_of_remote_mail_but_CR_and_what_is_dropped()
    {
        Gen.Select(Gen.OneOf(Gen.Char["aA: \t\n.>FromBc"], Gen.Char['\0', '\xff']).Array[0, 200], Gen.Int[1, 50]).Sample((chars, piece) =>
        {
            var text = new string(chars).Replace("\r", "");
            var bench = new CleanupBench(null, ("message_drop_headers", ""));
            var result = bench.SendAsync(CleanupBench.From("a@b.example", MessageOrigin.Smtpd), "Received: x\n" + text, ["bob@dest.example"], piece).Result;
            Assert.Equal(CleanupStatus.Ok, result.Status);
            // Apart from an empty line, a last LF and a name for mailbox lines nothing is added; blanks in front of the colon of a header go away.
            Assert.Equal(Plain("Received: x\n" + text), Plain(bench.Text.Replace("Mailbox-Line: ", "")));
            Assert.EndsWith("\n", bench.Text);
        }, iter: 3000);

        static string Plain(string text) => text.Replace("\n", "").Replace(" ", "").Replace("\t", "");
    }

    [Fact]
    public void Takes_any_bytes_of_local_mail()
    {
        Gen.Select(Gen.OneOf(Gen.Char["aA:@<>(),;\"\\[] \t\n."], Gen.Char['\0', '\xff']).Array[0, 120], Gen.Int[1, 50]).Sample((chars, piece) =>
        {
            var bench = new CleanupBench();
            var result = bench.SendAsync(CleanupBench.Local("alice"), "To: " + new string(chars), ["bob"], piece, fromHeaders: true).Result;
            Assert.Equal(CleanupStatus.Ok, result.Status);
            Assert.EndsWith("\n", bench.Text);
            Assert.Equal(bench.Text.Length, Encoding.Latin1.GetByteCount(bench.Text));
        }, iter: 3000);
    }
}
