namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>smtpd as sendmail -bs runs it.</summary>
public sealed class StandAloneTests
{
    [Fact]
    public async Task Nothing_is_restricted_counted_or_asked()
    {
        var world = new SmtpdWorld(
            ("smtpd_client_restrictions", "reject"), ("smtpd_relay_restrictions", "reject"), ("smtpd_delay_reject", "no"), ("smtpd_data_restrictions", "reject"),
            ("smtpd_end_of_data_restrictions", "reject"), ("smtpd_client_message_rate_limit", "1"), ("smtpd_client_event_limit_exceptions", ""),
            ("smtpd_relay_before_recipient_restrictions", "no"), ("relay_domains", "dest.example"))
        { StandAlone = true };
        var client = new SmtpdClient(world, null, default);
        // All at once, with LF alone, and with addresses that the network may not send to.
        await client.SendAsync(
            "EHLO me\nETRN dest.example\nMAIL FROM:<a@b..c> RET=HDRS\nRCPT TO:<nosuch@dest.example>\nRCPT TO:<x@far.example> NOTIFY=NEVER\nDATA\nSubject: x\n\n..dot\n.\n"
            + "MAIL FROM:<>\nRCPT TO:<bob>\nBDAT 3 LAST\na\n\nVRFY nosuch\nQUIT\n");
        var replies = (await client.FinishAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.StartsWith("250-", StringComparison.Ordinal));
        Assert.Equal(
            "220 mx.dest.example ESMTP Postfix|250 CHUNKING|458 Unable to queue messages|250 2.1.0 Ok|250 2.1.5 Ok|250 2.1.5 Ok|354 End data with <CR><LF>.<CR><LF>|"
            + "250 2.0.0 Ok: queued as Q1|250 2.1.0 Ok|250 2.1.5 Ok|250 2.0.0 Ok: 5 bytes queued as Q2|252 2.0.0 nosuch|221 2.0.0 Bye",
            string.Join('|', replies));
        var messages = world.Cleanup.Completed.ToList();
        Assert.StartsWith("Received: from me (localhost [127.0.0.1])\n\tby mx.dest.example (Postfix) with ESMTP id Q1;\n\t", messages[0].Content);
        Assert.Equal("Subject: x\n\n.dot\n", messages[0].Body);
        Assert.Equal("a\n\n", messages[1].Body);
        Assert.Empty(world.Flushed);
        Assert.Contains("warning: do not use ETRN in \"sendmail -bs\" mode", world.LogLines);
        Assert.DoesNotContain(world.LogLines, line => line.Contains("improper", StringComparison.Ordinal) || line.Contains("reject", StringComparison.Ordinal) || line.Contains("fatal", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Limits_on_size_and_syntax_hold()
    {
        var world = new SmtpdWorld(("message_size_limit", "100")) { StandAlone = true };
        var client = new SmtpdClient(world, null, default);
        await client.SendAsync($"EHLO me\r\nMAIL FROM:<a> SIZE=101\r\nRSET\r\nMAIL FROM:<a>\r\nRCPT TO:<b\r\nRCPT TO:<b>\r\nDATA\r\n{new string('x', 200)}\r\n.\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ncut");
        var replies = await client.FinishAsync();
        Assert.Contains("552 5.3.4 Message size exceeds fixed limit\n", replies);
        Assert.Contains("501 5.1.3 Bad recipient address syntax\n", replies);
        Assert.Contains("552 5.3.4 Error: message file too big\n", replies);
        Assert.EndsWith("354 End data with <CR><LF>.<CR><LF>\n", replies);
        Assert.Empty(world.Cleanup.Completed);
        Assert.All(world.Cleanup.Messages, message => Assert.True(message.IsDisposed));
    }
}
