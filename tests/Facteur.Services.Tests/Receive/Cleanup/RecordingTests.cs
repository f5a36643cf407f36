using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Tests.Receive.Cleanup;

/// <summary>Messages of the recordings of Postfix 3.11.6, with their sizes. Queue ids were of 7 characters there, as here.</summary>
public sealed class RecordingTests
{
    private const string Date = "Sun, 22 Nov 2026 13:26:24 +0000 (UTC)";
    private const string Id = "20261122132624.00A1000@mx.dest.example";

    private const string FromSmtp = "Received: from client.good.example (client.good.example [127.0.7.1])\n\tby mx.dest.example (Postfix) with ESMTP id {Q}";
    private const string FromSendmail = "Received: by mx.dest.example (Postfix, from userid 2001)\n\tid {Q}; " + Date + "\n";

    [Fact]
    public async Task Recording_01_two_recipients()
    {
        var bench = new CleanupBench();
        var content = $"{FromSmtp};\n\t{Date}\nFrom: Joe <joe@sender.example>\nTo: alice@dest.example\nSubject: hello\n\nbody\n.dot\n";
        Assert.Equal(CleanupStatus.Ok, (await bench.SendAsync(CleanupBench.From("joe@sender.example"), content, ["alice@dest.example", "Postmaster"])).Status);
        Assert.Equal(content.Replace("{Q}", "00A1000"), bench.Text);
        Assert.Equal(250, bench.Envelope.ContentSize);
        Assert.Equal("alice@dest.example|alice@dest.example Postmaster@dest.example|Postmaster", bench.Recipients);
        Assert.Equal(["postfix/cleanup: 00A1000: message-id=<>"], bench.Log.Lines);
    }

    [Fact]
    public async Task Recording_01_no_headers_at_all()
    {
        var bench = new CleanupBench();
        await bench.SendAsync(CleanupBench.From(""), $"{FromSmtp}\n\tfor <bob@dest.example>; {Date}\nno headers at all\n", ["bob@dest.example"]);
        Assert.EndsWith($"{Date}\n\nno headers at all\n", bench.Text);
        Assert.Equal(208, bench.Envelope.ContentSize);
    }

    [Fact]
    public async Task Recording_07_stray_CR()
    {
        var bench = new CleanupBench();
        var content = $"{FromSmtp.Replace("from client.good", "from c")}\n\tfor <alice@dest.example>; {Date}\nSubject: t2\n\nbody\nmore\nstill\r.\rx\n";
        await bench.SendAsync(CleanupBench.From("a@sender.example"), content.Replace("(client", "(client"), ["alice@dest.example"]);
        Assert.EndsWith("\n\nbody\nmore\nstill . x\n", bench.Text);
        Assert.Equal(217, bench.Envelope.ContentSize);
    }

    [Fact]
    public async Task Recording_22_recipients_from_headers()
    {
        var bench = new CleanupBench();
        var given = $"{FromSendmail}To: bob (Bob), Carol <carol@dest.example>\nCc: grp: dave, x@remote.example;\nBcc: owner\nSubject: t\n\nx\n";
        await bench.SendAsync(CleanupBench.Local("alice", "Alice Example"), given, [], fromHeaders: true);
        Assert.Equal(
            $"{FromSendmail.Replace("{Q}", "00A1000")}To: bob@dest.example (Bob), Carol <carol@dest.example>\nCc: grp: dave@dest.example, x@remote.example;\nSubject: t\n"
            + $"Message-Id: <{Id}>\nDate: {Date}\nFrom: Alice Example <alice@dest.example>\n\nx\n",
            bench.Text);
        Assert.Equal(371, bench.Envelope.ContentSize);
        Assert.Equal("alice@dest.example", bench.Envelope.Sender);
        Assert.Equal(
            "bob@dest.example|bob carol@dest.example|carol@dest.example dave@dest.example|dave x@remote.example|x@remote.example owner@dest.example|owner", bench.Recipients);
        Assert.Equal("rfc822;bob@dest.example", bench.Envelope.Recipients[0].DsnOriginalRecipient);
        Assert.Equal([$"postfix/cleanup: 00A1000: message-id=<{Id}>"], bench.Log.Lines);
    }

    [Fact]
    public async Task Recording_22_resent()
    {
        var bench = new CleanupBench();
        await bench.SendAsync(
            CleanupBench.Local("alice+x@dest.example", "Alice \"Q\" Liddell"), $"{FromSendmail}Resent-To: carol\nTo: bob\nSubject: resent\n\nx\n", [], fromHeaders: true);
        Assert.EndsWith(
            $"Resent-To: carol@dest.example\nTo: bob@dest.example\nSubject: resent\nResent-Message-Id: <{Id}>\nResent-Date: {Date}\n"
            + "Resent-From: \"Alice \\\"Q\\\" Liddell\" <alice+x@dest.example>\n\nx\n",
            bench.Text);
        Assert.Equal(357, bench.Envelope.ContentSize);
        Assert.Equal("carol@dest.example|carol", bench.Recipients);
        Assert.Equal([$"postfix/cleanup: 00A1000: resent-message-id=<{Id}>", "postfix/cleanup: 00A1000: message-id=<>"], bench.Log.Lines);
    }

    [Fact]
    public async Task Recording_22_mailbox_lines_and_null_sender()
    {
        var bench = new CleanupBench();
        var content = $"{FromSendmail}From foo@bar Mon Jan  1 00:00:00 2024\n>From x\nSubject: unix from\n\nFrom body\n";
        await bench.SendAsync(CleanupBench.Local("", "Alice Example"), content, ["bob"], piece: 7);
        Assert.EndsWith($"(Postfix, from userid 2001)\n\tid 00A1000; {Date}\nSubject: unix from\nMessage-Id: <{Id}>\nDate: {Date}\nFrom: MAILER-DAEMON\n\nFrom body\n", bench.Text);
        Assert.Equal(263, bench.Envelope.ContentSize);
    }

    [Fact]
    public async Task Mail_made_inside_gets_its_received_header()
    {
        var bench = new CleanupBench();
        await bench.SendAsync(
            CleanupBench.From("", MessageOrigin.Bounce), $"Date: {Date}\nFrom: Mail Delivery System <MAILER-DAEMON@dest.example>\nTo: alice@dest.example\n\nx\n", ["alice@dest.example"]);
        Assert.Equal(
            $"Received: by mx.dest.example (Postfix)\n\tid 00A1000; {Date}\nDate: {Date}\nFrom: Mail Delivery System <MAILER-DAEMON@dest.example>\n"
            + $"To: alice@dest.example\nMessage-Id: <{Id}>\n\nx\n",
            bench.Text);
    }

    // What Postfix 3.7.11 made of every odd form at once.
    [Fact]
    public async Task Rewritten_headers_look_as_Postfix_prints_them()
    {
        const string Given = """
            From: alice
            Cc: Carol
            	<carol>,
               bob
            Reply-To: joe @ host . example (x), joe2
            Errors-To: <@a.example,@b.example:joe@c.example>
            Sender: grp: dave, John Q. Public <john>;, eve
            Mail-Followup-To: bob smith
            Return-Receipt-To: <a@b.example> <c> d
            Disposition-Notification-To: "D \"E\" F" <dave> (Dave (nested) \) x) y@z
            Resent-From: (lead) joe (mid) @ (at) host2 (trail), "a b", x"y"z, [1.2.3.4], u@[1.2.3.4].
            Resent-Sender: undisclosed-recipients:;
            Resent-Reply-To: <joe>(comment), Joe<joe>
            Resent-Cc: a123456789012345678901234567890@x.example, b123456789012345678901234567890@x.example, c
            Resent-To: , ,a,, b;
            Apparently-To: site!user, user%site, <>, < >, "", Dr. J. R. Who, M.D. <who>, A.B. (x) <ab>
            To: böb <bob>, bob\ x, <open, "unclosed
            Bounces-To: none
            Return-Path: <gone>
            Sender: "D E" <dave> (Dave), <x> (y) <z>, foo (bar) <baz>, gr: a (b);  (c) d
            Errors-To: "y"@x.example, "p\q r"@x.example, "joe".x@x.example, .joe, jo..e, <a b>, u@x@y
            Date: x
            Message-Id: <m>

            body

            """;
        const string Printed = """
            From: alice@dest.example
            Cc: Carol <carol@dest.example>, bob@dest.example
            Reply-To: joe@host.example (x), joe2@dest.example
            Errors-To: <joe@c.example>
            Sender: grp: dave@dest.example, John Q.Public <john@dest.example>;,
            	eve@dest.example
            Mail-Followup-To: bob@dest.example, smith@dest.example
            Return-Receipt-To: <a@b.example> <c@dest.example>, d@dest.example
            Disposition-Notification-To: "D \"E\" F" <dave@dest.example>,
            	y@z (Dave (nested) \) x)
            Resent-From: joe@host2 (lead) (mid) (at) (trail), "a b"@dest.example,
            	x@dest.example, y@dest.example, z@dest.example,
            	"[1.2.3.4]"@dest.example, u@[1.2.3.4]
            Resent-Sender: undisclosed-recipients:;
            Resent-Reply-To: <joe@dest.example>(comment), Joe <joe@dest.example>
            Resent-Cc: a123456789012345678901234567890@x.example,
            	b123456789012345678901234567890@x.example, c@dest.example
            Resent-To: , , a@dest.example, , b@dest.example;
            Apparently-To: user@site, user@site, <>, <>, "",
            	Dr.J.R.Who@dest.example, M.D. <who@dest.example>,
            	A.B.(x) <ab@dest.example>
            To: böb <bob@dest.example>, "bob x"@dest.example,
            	"<open"@dest.example, unclosed@dest.example
            Bounces-To: none
            Sender: "D E" <dave@dest.example>(Dave),
            	<x@dest.example>(y) <z@dest.example>, foo (bar) <baz@dest.example>,
            	gr: a@dest.example (b);, d@dest.example (c)
            Errors-To: y@x.example, "pq r"@x.example, joe.x@x.example,
            	".joe"@dest.example, "jo..e"@dest.example, <ab@dest.example>, "u@x"@y
            Date: x
            Message-Id: <m>

            """;
        var bench = new CleanupBench();
        await bench.SendAsync(CleanupBench.Local("alice"), Latin(FromSendmail.Replace("2001", "0") + Given), ["zed@x.example"]);
        var text = bench.Text[(bench.Text.IndexOf("UTC)\n", StringComparison.Ordinal) + 5)..bench.Text.IndexOf("Resent-Message-Id", StringComparison.Ordinal)];
        Assert.Equal(Latin(Printed), text);
    }

    [Fact]
    public async Task Long_lines_are_counted_as_Postfix_counts_them()
    {
        var bench = new CleanupBench();
        var body = string.Concat(new[] { 100, 127, 128, 2048, 2049, 5000 }.Select(length => new string('b', length) + "\n"));
        var content = $"{FromSendmail.Replace("2001", "0")}From: a@x.example\nDate: x\nMessage-Id: <m>\nX-Long: {new string('a', 5000)}\n\n{body}\nend\n";
        foreach (var piece in new[] { 13, 4096, 100_000 })
        {
            await bench.SendAsync(CleanupBench.Local("alice"), content, ["zed@x.example"], piece);
            Assert.Equal(14660 - 4, bench.Envelope.ContentSize);
        }
    }

    private static string Latin(string text) => System.Text.Encoding.Latin1.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
