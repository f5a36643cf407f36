using System.Text;
using CsCheck;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class HostilePeerTests
{
    private const string Begin = "EHLO c.example\r\n";
    private const string Envelope = "MAIL FROM:<a@sender.example>\r\nRCPT TO:<alice@dest.example>\r\n";

    /// <summary>Content with all mixes of CR, LF and dots around a hidden command: one message, unless the standard end is there.</summary>
    [Fact]
    public async Task Nothing_but_the_standard_end_starts_another_message()
    {
        var alphabet = "\r\n.a";
        var world = new SmtpdWorld(("smtpd_hard_error_limit", "100000"));
        for (var number = 0; number < 4 * 4 * 4 * 4 * 4; number++)
        {
            var middle = string.Concat(Enumerable.Range(0, 5).Select(i => alphabet[number / (int)Math.Pow(4, i) % 4]));
            var content = $"Subject: x\r\n\r\nbody{middle}MAIL FROM:<smug@sender.example>\r\nRCPT TO:<bob@dest.example>\r\nDATA\r\nevil\r\n.\r\n";
            if ($"body{middle}".Contains("\r\n.\r\n", StringComparison.Ordinal))
            {
                continue;
            }
            var before = world.Cleanup.Messages.Count;
            var client = await world.Connect().HelloAsync();
            await client.SendAsync(Envelope + "DATA\r\n");
            Assert.Equal("250 2.1.0 Ok", await client.ReplyAsync());
            Assert.Equal("250 2.1.5 Ok", await client.ReplyAsync());
            Assert.StartsWith("354", await client.ReplyAsync(), StringComparison.Ordinal);
            var cut = number % content.Length;
            await client.SendAsync(content[..cut]);
            await client.SendAsync(content[cut..]);
            Assert.StartsWith("250 2.0.0 Ok: queued as", await client.ReplyAsync(), StringComparison.Ordinal);
            await client.FinishAsync();
            Assert.Equal(before + 1, world.Cleanup.Messages.Count);
        }
    }

    [Fact]
    public async Task Random_bytes_never_break_a_session()
    {
        string[] words =
        [
            "EHLO x\r\n", "HELO x\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<alice@dest.example>\r\n", "DATA\r\n", "BDAT 5\r\n", "BDAT 0 LAST\r\n", "BDAT 3 LAST\r\n",
            "\r\n.\r\n", "RSET\r\n", "NOOP\r\n", "VRFY bob\r\n", "ETRN x.example\r\n", "\0", "\xff", "MAIL FROM:<", "\"", " ", "\n", "\r", "STARTTLS\r\n", "AUTH X\r\n",
            "SMTPUTF8", " NOTIFY=", "XCLIENT A=B\r\n", ".", ">From ", "HELP\r\n",
        ];
        var sessions = Gen.OneOf(Gen.Int[0, words.Length - 1].Select(i => words[i]), Gen.String[Gen.Char['\0', '\xff'], 0, 8]).Array[0, 30].Array[60].Single();
        foreach (var pieces in sessions)
        {
            var world = new SmtpdWorld(("smtpd_forbid_unauth_pipelining", "no"), ("smtpd_hard_error_limit", "1000"));
            var client = world.Connect();
            foreach (var piece in pieces)
            {
                await client.SendAsync(piece);
            }
            var output = await client.FinishAsync();
            Assert.StartsWith("220 ", output, StringComparison.Ordinal);
            Assert.DoesNotContain(world.LogLines, line => line.Contains("failed:", StringComparison.Ordinal));
            Assert.StartsWith("disconnect from client.good.example[127.0.7.1]", world.LogLines.Last(), StringComparison.Ordinal);
            Assert.All(world.Cleanup.Messages, message => Assert.True(message.IsDisposed));
        }
    }

    [Fact]
    public async Task A_long_message_is_passed_on_in_bounded_pieces()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        var content = new StringBuilder();
        for (var i = 1; content.Length < 1_000_000; i++)
        {
            content.Append(i % 7 == 0 ? "." : "").Append('x', i % 3000).Append("\r\n");
        }
        await client.SendAsync(content + ".\r\n");
        Assert.Equal("250 2.0.0 Ok: queued as Q1", await client.ReplyAsync());
        await client.FinishAsync();
        var message = world.Cleanup.Completed.Single();
        Assert.Equal(string.Join("\n", content.ToString().Split("\r\n").Select(line => line.StartsWith('.') ? line[1..] : line)), message.Body);
        Assert.True(message.LargestWrite <= 65536);
    }

    [Fact]
    public async Task Many_from_lines_are_decoded_in_bounded_pieces()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync(string.Concat(Enumerable.Repeat("From \r\n", 5000)) + "\r\nx\r\n.\r\n");
        Assert.Equal("250 2.0.0 Ok: queued as Q1", await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Equal(string.Concat(Enumerable.Repeat("X-Mailbox-Line: From \n", 5000)) + "\nx\n", world.Cleanup.Completed.Single().Body);
    }

    [Theory]
    [InlineData("reject", "550 5.5.2 mx.dest.example Error: bare <LF> received", 0)]
    [InlineData("normalize", "250 2.0.0 Ok: queued as Q1", 1)]
    [InlineData("note", "250 2.0.0 Ok: queued as Q1", 1)]
    public async Task Bare_newlines_are_treated_as_configured(string policy, string reply, int completed)
    {
        var world = new SmtpdWorld(("smtpd_forbid_bare_newline", policy));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("a\nb\r\n.\r\n");
        Assert.Equal(reply, await client.ReplyAsync());
        await client.FinishAsync();
        Assert.Equal(completed, world.Cleanup.Completed.Count());
    }

    [Fact]
    public async Task An_excluded_client_may_end_with_bare_newlines()
    {
        var world = new SmtpdWorld();
        var client = await world.Connect("127.0.0.9").HelloAsync();
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("a\n.\n");
        Assert.Equal("250 2.0.0 Ok: queued as Q1", await client.ReplyAsync());
        Assert.Equal("a\n", world.Cleanup.Completed.Single().Body);
        await client.FinishAsync();
    }

    [Theory]
    [InlineData(2047)]
    [InlineData(2048)]
    [InlineData(2049)]
    [InlineData(2050)]
    [InlineData(4096)]
    public async Task The_rest_of_a_long_line_is_never_a_command(int length)
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync();
        await client.SendAsync(new string('x', length));
        await Task.Delay(20, CancellationToken.None);
        await client.SendAsync("RSET\r\n");
        Assert.Equal("500 5.5.2 Error: command not recognized", await client.ReplyAsync());
        Assert.Equal("221 2.0.0 Bye", await client.CommandAsync("QUIT"));
        Assert.Equal("", await client.FinishAsync());
    }

    [Fact]
    public async Task A_client_that_floods_is_limited_by_errors()
    {
        var world = new SmtpdWorld();
        var output = await world.TalkAsync(Begin + string.Concat(Enumerable.Repeat("BAD\r\n", 50)));
        Assert.Equal("220 mx.dest.example ESMTP Postfix\n554 5.5.0 Error: SMTP protocol synchronization\n", output);
    }

    [Theory]
    [InlineData("mail.bank.example (mail.bank.example [192.0.2.1]) by mx", "mail.bank.example??mail.bank.example?[192.0.2.1]??by?mx")]
    [InlineData("x> to=<a@b> helo=<y", "x??to=?a?b??helo=?y")]
    [InlineData("a\\b\"c;d\te", "a?b?c?d?e")]
    [InlineData("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]")]
    public async Task A_name_cant_forge_a_header_or_a_log_line(string name, string taken)
    {
        var world = new SmtpdWorld();
        var client = await world.Connect().HelloAsync(name);
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        await client.CommandAsync("RCPT TO:<a@elsewhere.example>");
        Assert.EndsWith($" helo=<{taken}>", world.LogLines.Last(), StringComparison.Ordinal);
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("DATA");
        await client.SendAsync("x\r\n.\r\n");
        await client.ReplyAsync();
        await client.FinishAsync();
        Assert.StartsWith($"Received: from {taken} (client.good.example [127.0.7.1])\n", world.Cleanup.Completed.Single().Content, StringComparison.Ordinal);
        Assert.Equal(taken, world.Cleanup.Completed.Single().Envelope.Client.Helo);
    }
}
