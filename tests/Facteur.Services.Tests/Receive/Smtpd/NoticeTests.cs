using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Smtpd;
using Facteur.Testing.World;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class NoticeTests
{
    private static (string, string)[] Told(string classes, params (string, string)[] more) => [("notify_classes", classes), ("error_notice_recipient", "owner"), ("smtpd_forbid_unauth_pipelining", "no"), .. more];

    [Fact]
    public async Task The_postmaster_gets_the_transcript_of_a_session_with_errors()
    {
        var world = new SmtpdWorld(Told("protocol", ("mail_name", "Postfix")));
        await world.TalkAsync("HELO c.example\r\nBOGUS \u0001x\r\nQUIT\r\n");
        var notice = Notice(world);
        Assert.Equal(("double-bounce@mx.dest.example", MessageOrigin.Notice, "owner"), (notice.Envelope.Sender, notice.Envelope.Origin, notice.Recipients[0].Address));
        Assert.Matches(
            "^Date: [^\n]+\nFrom: Mail Delivery System <MAILER-DAEMON@mx.dest.example>\nTo: Postmaster <owner>\n"
            + "Subject: Postfix SMTP server: errors from [^\n]*\\[127.0.7.1\\]\n\nTranscript of session follows.\n\n"
            + " Out: 220 mx.dest.example ESMTP Postfix\n In:  HELO c.example\n Out: 250 mx.dest.example\n In:  BOGUS \\?x\n Out: 500 5.5.2 Error: command not recognized\n"
            + " In:  QUIT\n Out: 221 2.0.0 Bye\n\n\nFor other details, see the local mail logfile\n$", notice.Content);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("example, 127.0.7.0/24", false)]
    [InlineData("127.0.8.0/24", false)]
    public async Task What_is_said_is_logged_for_peers_of_a_list_and_where_the_entry_wants_it(string peers, bool verbose)
    {
        var world = new SmtpdWorld(("debug_peer_list", peers), ("notify_classes", ""), ("smtpd_forbid_unauth_pipelining", "no"), ("smtpd_discard_ehlo_keywords", "chunking, silent-discard"), ("mail_name", "Postfix")) { Verbose = verbose };
        await world.TalkAsync("EHLO c.example\r\nBOGUS \u0001x\r\nQUIT\r\n");
        var said = world.Log.Lines.Where(l => l.Contains("postfix/smtpd: < ") || l.Contains("postfix/smtpd: > ")).Select(l => l.Replace("postfix/smtpd: ", "")).ToList();
        if (peers.StartsWith("127.0.8", StringComparison.Ordinal))
        {
            Assert.Empty(said);
            return;
        }
        var client = world.Log.Lines.First(l => l.Contains("connect from ")).Split("connect from ")[1];
        Assert.Equal([$"> {client}: 220 mx.dest.example ESMTP Postfix", $"< {client}: EHLO c.example", $"> {client}: 250-mx.dest.example", $"> {client}: 250-PIPELINING"], said[..4]);
        Assert.DoesNotContain($"> {client}: 250-CHUNKING", said);
        Assert.Equal([$"> {client}: 500 5.5.2 Error: command not recognized", $"< {client}: QUIT", $"> {client}: 221 2.0.0 Bye"], said[^3..]);
        Assert.Empty(world.Cleanup.Completed);
    }

    [Theory]
    [InlineData("nosuch@dest.example", "bounces")]
    [InlineData("x@elsewhere.example", "owner")]
    public async Task Of_mail_for_nobody_the_recipient_of_bounces_is_told(string recipient, string told)
    {
        var world = new SmtpdWorld(Told("policy, bounce", ("bounce_notice_recipient", "bounces")));
        await world.TalkAsync($"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{recipient}>\r\nQUIT\r\n");
        var notice = Notice(world);
        Assert.Equal(told, notice.Recipients[0].Address);
        Assert.Contains("\nTo: Postmaster <owner>\n", notice.Content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_answer_to_EHLO_stands_line_by_line_and_long_lines_are_wrapped()
    {
        var world = new SmtpdWorld(Told("policy"));
        var address = new string('x', 40) + "@elsewhere.example";
        await world.TalkAsync($"EHLO c.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<{address}>\r\n");
        var text = Notice(world).Content;
        Assert.Contains(" In:  EHLO c.example\n Out: 250-mx.dest.example\n Out: 250-PIPELINING\n", text);
        Assert.Contains($" Out: 454 4.7.1 <{address}>:\n     Relay access denied\n\nSession aborted, reason: lost connection\n\nFor other", text);
    }

    [Theory]
    [InlineData("policy", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@elsewhere.example>\r\nQUIT\r\n", true)]
    [InlineData("protocol", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@elsewhere.example>\r\nQUIT\r\n", false)]
    [InlineData("protocol", "EHLO c\r\nMAIL FROM:<xxx\r\nQUIT\r\n", true)]
    [InlineData("protocol", "EHLO c\r\nHost: x\r\n", false)]
    [InlineData("protocol", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nQUIT\r\n", false)]
    [InlineData("protocol", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nDATA\r\nQUIT\r\n", false)]
    [InlineData("protocol", "EHLO c\r\nDATA\r\nQUIT\r\n", true)]
    [InlineData("protocol, policy", "EHLO c\r\nETRN foo.example\r\nQUIT\r\n", false)]
    [InlineData("policy", "EHLO c\r\nBOGUS\r\nQUIT\r\n", false)]
    [InlineData("policy, protocol, resource, software", "EHLO c\r\nNOOP\r\nVRFY a@dest.example\r\nQUIT\r\n", false)]
    [InlineData("policy", "EHLO c\r\nMAIL FROM:<a@b.example> SIZE=99999999999\r\nQUIT\r\n", true)]
    [InlineData("policy, protocol", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nx", false)]
    [InlineData("bounce", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<nosuch@dest.example>\r\nQUIT\r\n", true)]
    [InlineData("policy, protocol", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<nosuch@dest.example>\r\nQUIT\r\n", false)]
    [InlineData("2bounce, delay, data", "EHLO c\r\nBOGUS\r\nQUIT\r\n", false)]
    [InlineData("resource, software", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<\"Server configuration error\"@elsewhere.example>\r\nRCPT TO:<\"Temporary lookup failure\"@elsewhere.example>\r\nQUIT\r\n", false)]
    [InlineData("policy", "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<\"Server configuration error\"@elsewhere.example>\r\nQUIT\r\n", true)]
    public async Task Only_of_the_classes_asked_for(string classes, string input, bool told)
    {
        var world = new SmtpdWorld(Told(classes));
        await world.TalkAsync(input);
        Assert.Equal(told, world.Cleanup.Completed.Any(m => m.Envelope.Origin == MessageOrigin.Notice));
    }

    [Theory]
    [InlineData("data", true)]
    [InlineData("resource, software, policy", false)]
    public async Task That_a_table_can_not_answer_is_of_the_class_data(string classes, bool told)
    {
        var world = new SmtpdWorld([.. Told(classes), ("local_recipient_maps", "fail:x")]);
        await world.TalkAsync("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@dest.example>\r\nQUIT\r\n");
        Assert.Equal(told, world.Cleanup.Completed.Any(m => m.Envelope.Origin == MessageOrigin.Notice));
    }

    [Fact]
    public async Task A_message_that_was_taken_forgives_what_was_before_it_and_the_transcript_keeps_it()
    {
        const string Mail = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n";
        var world = new SmtpdWorld(Told("protocol"));
        await world.TalkAsync($"EHLO c\r\nBOGUS 1\r\n{Mail}QUIT\r\n");
        Assert.DoesNotContain(world.Cleanup.Completed, m => m.Envelope.Origin == MessageOrigin.Notice);
        await world.TalkAsync($"EHLO c\r\n{Mail}BOGUS 2\r\nQUIT\r\n");
        var text = Notice(world).Content;
        Assert.Contains(" Out: 354 End data with <CR><LF>.<CR><LF>\n Out: 250 2.0.0 Ok: queued as ", text);
        Assert.DoesNotContain("Subject: x", text);
    }

    /// <summary>Postfix: at EHLO, RSET and the end of a message a transcript that has grown long is sent and begins anew.</summary>
    [Theory]
    [InlineData("RSET", " In:  RSET\n\n\nFor other")]
    [InlineData("EHLO again", " In:  EHLO again\n\n\nFor other")]
    public async Task A_long_transcript_is_sent_when_the_client_begins_anew(string command, string end)
    {
        var world = new SmtpdWorld(Told("protocol", ("smtpd_history_flush_threshold", "5")));
        await world.TalkAsync($"HELO c\r\nBOGUS 1\r\n{command}\r\nNOOP\r\nQUIT\r\n");
        Assert.Contains(end, Notice(world).Content);
        await world.TalkAsync($"HELO c\r\n{command}\r\nBOGUS 2\r\nQUIT\r\n");
        Assert.Contains(" Out: 221 2.0.0 Bye\n", world.Cleanup.Completed.Last().Content);
    }

    [Fact]
    public async Task A_transcript_that_nobody_wants_is_forgotten()
    {
        var world = new SmtpdWorld(Told("protocol", ("smtpd_history_flush_threshold", "3")));
        await world.TalkAsync("HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@dest.example>\r\nDATA\r\nx: y\r\n.\r\nBOGUS 2\r\nQUIT\r\n");
        Assert.Contains("follows.\n\n In:  BOGUS 2\n Out: 500 ", Notice(world).Content);
    }

    [Fact]
    public async Task Too_many_errors_are_named_as_the_reason()
    {
        var world = new SmtpdWorld(Told("protocol", ("smtpd_hard_error_limit", "2")));
        await world.TalkAsync("EHLO c\r\nBOGUS\r\nBOGUS\r\n");
        Assert.Contains(" Out: 421 4.7.0 mx.dest.example Error: too many errors\n\nSession aborted, reason: too many errors\n\n", Notice(world).Content);
    }

    [Fact]
    public async Task A_long_session_is_told_of_by_its_beginning()
    {
        var world = new SmtpdWorld(Told("protocol", ("smtpd_junk_command_limit", "100000")));
        await world.TalkAsync($"EHLO c\r\nBOGUS\r\n{string.Concat(Enumerable.Repeat("NOOP " + new string('x', 1000) + "\r\n", 200))}QUIT\r\n");
        var text = Notice(world).Content;
        Assert.True(text.Length < 80_000);
        Assert.Matches("\n \\([0-9]+ more lines\\)\n", text);
    }

    [Fact]
    public async Task A_minute_has_so_many_notices()
    {
        var world = new SmtpdWorld(Told("protocol"));
        for (var i = 0; i < 12; i++)
        {
            await world.TalkAsync("EHLO c\r\nBOGUS\r\nQUIT\r\n");
        }
        Assert.Equal(10, world.Cleanup.Completed.Count());
        world.Time.Advance(TimeSpan.FromSeconds(61));
        await world.TalkAsync("EHLO c\r\nBOGUS\r\nQUIT\r\n");
        Assert.Equal(11, world.Cleanup.Completed.Count());
    }

    [Fact]
    public async Task When_no_notice_can_be_sent_a_warning_is_all()
    {
        var world = new SmtpdWorld(Told("protocol"));
        world.Cleanup.Refuses = true;
        Assert.EndsWith("221 2.0.0 Bye\n", await world.TalkAsync("EHLO c\r\nBOGUS\r\nQUIT\r\n"));
        Assert.Contains("warning: postmaster notify: queue file write error", world.LogLines);
    }

    [Theory]
    [InlineData("421 4.3.5 mx Server configuration error", NoticeClasses.Software)]
    [InlineData("452 4.3.1 Insufficient system storage", NoticeClasses.Resource)]
    [InlineData("554 5.4.0 Error: too many hops", NoticeClasses.Bounce)]
    [InlineData("503 5.5.1 Error: need MAIL command", NoticeClasses.Protocol)]
    [InlineData("421 4.7.0 mx Error: too many connections from 1.2.3.4", NoticeClasses.Policy)]
    [InlineData("501 Syntax: HELO hostname", NoticeClasses.Protocol)]
    [InlineData("250 2.1.0 Ok", NoticeClasses.None)]
    public void Each_refusal_has_its_class(string reply, object expected) => Assert.Equal(expected, NoticeClass.Of(reply));

    private static WorldMessage Notice(SmtpdWorld world) => Assert.Single(world.Cleanup.Completed, m => m.Envelope.Origin == MessageOrigin.Notice);
}
