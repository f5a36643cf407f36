namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>Forms of addresses, names and log lines that clients, policy services and readers of logs know from Postfix.</summary>
public sealed class WordingTests
{
    private const string Client = "client.good.example[127.0.7.1]";

    /// <summary>Replies and policy services see no quotes, logs do.</summary>
    [Fact]
    public async Task A_quoted_address_is_bare_in_replies_and_in_policy_requests()
    {
        using var server = new PolicyServer(_ => "action=REJECT no\n\n");
        var world = UceTests.World(("smtpd_recipient_restrictions", $"check_policy_service {server.Endpoint}"), ("smtpd_relay_restrictions", "reject_unauth_destination"));
        var client = await world.Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<\"a b\"@sender.example>");
        Assert.Equal("554 5.7.1 <al ice@dest.example>: Recipient address rejected: no", await client.CommandAsync("RCPT TO:<\"al ice\"@dest.example>"));
        Assert.Equal("554 5.7.1 <a (c)@remote.example>: Relay access denied", await client.CommandAsync("RCPT TO:<\"a (c)\"@remote.example>"));
        await client.FinishAsync();
        Assert.Contains("\nsender=a b@sender.example\nrecipient=al ice@dest.example\n", server.Requests.Single(), StringComparison.Ordinal);
        Assert.Contains(
            $"NOQUEUE: reject: RCPT from {Client}: 554 5.7.1 <al ice@dest.example>: Recipient address rejected: no;"
            + " from=<\"a b\"@sender.example> to=<\"al ice\"@dest.example> proto=ESMTP helo=<c.example>", world.LogLines);
    }

    [Fact]
    public async Task Unknown_users_are_named_without_quotes() =>
        Assert.Equal("550 5.1.1 <x y@dest.example>: Recipient address rejected: User unknown in local recipient table", await UceTests.RcptAsync(UceTests.World(), "\"x y\"@dest.example"));

    [Theory]
    [InlineData("1.2.3")]
    [InlineData("1")]
    [InlineData("127.1")]
    [InlineData("0.1.2.3")]
    [InlineData("256.1.1.1")]
    [InlineData("1.2.3.4.5")]
    [InlineData("fe80::1%lo")]
    public async Task A_HELO_of_numbers_that_make_no_address_is_invalid(string name)
    {
        Assert.Equal($"501 5.5.2 <{name}>: Helo command rejected: Invalid name", await HeloAsync(name));
    }

    [Theory]
    [InlineData("1.2.3.4")]
    [InlineData("1.2.3.4.")]
    [InlineData("0.0.0.0")]
    [InlineData("::1")]
    [InlineData("0x7f.1")]
    [InlineData("1.2.3.x")]
    public async Task A_HELO_that_is_an_address_or_name_is_valid(string name) => Assert.Equal("250 2.1.5 Ok", await HeloAsync(name));

    [Fact]
    public async Task A_status_that_is_made_to_fit_is_logged()
    {
        var world = UceTests.World(("smtpd_recipient_restrictions", "check_client_access t:clients"));
        world.Tables["t:clients"] = new() { ["127.0.7"] = "550 5.1.1 gone" };
        Assert.Equal($"550 5.0.0 <{Client}>: Client host rejected: gone", await UceTests.RcptAsync(world));
        Assert.Contains("mapping DSN status 5.1.1 into Client host status 5.0.0", world.LogLines);
    }

    /// <summary>As Postfix 3.7 does it.</summary>
    [Theory]
    [InlineData("sender", "5.1.1", "5.1.7")]
    [InlineData("sender", "5.1.2", "5.1.8")]
    [InlineData("sender", "5.1.9", "5.1.0")]
    [InlineData("sender", "5.1.10", "5.1.0")]
    [InlineData("recipient", "5.1.5", "5.1.5")]
    [InlineData("recipient", "5.1.8", "5.1.2")]
    [InlineData("recipient", "5.1.9", "5.1.0")]
    [InlineData("recipient", "5.1.10", "5.1.0")]
    [InlineData("recipient", "5.10.1", "5.10.1")]
    [InlineData("helo", "5.1.10", "5.0.0")]
    public async Task A_status_fits_what_is_refused(string what, string given, string expected)
    {
        var world = UceTests.World(("smtpd_recipient_restrictions", $"check_{what}_access t:codes"));
        var text = $"550 {given} no";
        world.Tables["t:codes"] = new() { ["a@sender.example"] = text, ["alice@dest.example"] = text, ["c.example"] = text };
        Assert.StartsWith($"550 {expected} <", await UceTests.RcptAsync(world), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tabs_in_the_text_of_a_refusal_are_blanks()
    {
        var world = UceTests.World(("smtpd_recipient_restrictions", "check_client_access t:clients"));
        world.Tables["t:clients"] = new() { ["127.0.7"] = "REJECT go\taway" };
        Assert.Equal($"554 5.7.1 <{Client}>: Client host rejected: go away", await UceTests.RcptAsync(world));
    }

    [Theory]
    [InlineData("check_client_access", "client.good.example")]
    [InlineData("check_helo_access", "c.example")]
    [InlineData("check_sender_access", "a@sender.example")]
    public async Task A_table_that_fails_is_logged_with_the_key(string restriction, string key)
    {
        var world = UceTests.World(("smtpd_recipient_restrictions", restriction + " t:broken"));
        world.Tables.Broken.Add("t:broken");
        Assert.StartsWith("451 4.3.5 <", await UceTests.RcptAsync(world), StringComparison.Ordinal);
        Assert.Contains($"warning: t:broken lookup error for \"{key}\"", world.LogLines);
    }

    [Fact]
    public async Task A_bounce_for_many_is_refused_as_DATA_at_BDAT_too()
    {
        var client = await UceTests.World(("smtpd_data_restrictions", "reject_multi_recipient_bounce")).Connect().HelloAsync();
        await client.CommandAsync("MAIL FROM:<>");
        await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.CommandAsync("RCPT TO:<bob@dest.example>");
        await client.SendAsync("BDAT 2 LAST\r\nx\n");
        Assert.Equal("550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce", await client.ReplyAsync());
        await client.FinishAsync();
    }

    /// <summary>A greeting that is refused changes nothing; until it is taken the message in work is there for its restrictions.</summary>
    [Fact]
    public async Task A_refused_greeting_leaves_the_message_in_work()
    {
        var world = UceTests.World(("smtpd_delay_reject", "no"), ("smtpd_helo_restrictions", "check_helo_access t:helo"));
        world.Tables["t:helo"] = new() { ["bad.helo"] = "REJECT no" };
        var client = await world.Connect().HelloAsync("one.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("554 5.7.1 <bad.helo>: Helo command rejected: no", await client.CommandAsync("HELO bad.helo"));
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        await client.CommandAsync("HELO two.example");
        Assert.Equal("503 5.5.1 Error: need MAIL command", await client.CommandAsync("RCPT TO:<alice@dest.example>"));
        await client.FinishAsync();
        Assert.Contains($"NOQUEUE: reject: HELO from {Client}: 554 5.7.1 <bad.helo>: Helo command rejected: no; from=<a@sender.example> proto=ESMTP helo=<bad.helo>", world.LogLines);
    }

    [Theory]
    [InlineData("MAIL FROM:<x@b\u00fccher.example>", "501 5.1.7 Bad sender address syntax")]
    [InlineData("MAIL FROM:<x@b\u00fccher.example> SMTPUTF8", "250 2.1.0 Ok")]
    [InlineData("MAIL FROM:<j\u00f6@sender.example>", "250 2.1.0 Ok")]
    [InlineData("MAIL FROM:<a@sender.example> AUTH=<>", "250 2.1.0 Ok")]
    public async Task MAIL_is_taken_or_not(string command, string reply)
    {
        var client = await UceTests.World().Connect().HelloAsync();
        await client.SendAsync(System.Text.Encoding.UTF8.GetBytes(command + "\r\n"));
        Assert.Equal(reply, await client.ReplyAsync());
        await client.FinishAsync();
    }

    [Fact]
    public async Task A_mapped_address_is_that_of_IPv4_also_without_IPv6()
    {
        var world = UceTests.World(("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("inet_protocols", "ipv4"), ("mynetworks", "192.0.2.0/24"));
        var client = await world.Connect().HelloAsync();
        Assert.Equal("220 mx.dest.example ESMTP Postfix", await client.CommandAsync("XCLIENT ADDR=IPV6:::ffff:192.0.2.1"));
        await client.CommandAsync("EHLO c.example");
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        Assert.Equal("250 2.1.5 Ok", await client.CommandAsync("RCPT TO:<x@remote.example>"));
        await client.FinishAsync();
    }

    [Theory]
    [InlineData("NAME=a.example ADDR=192.0.2.9 PORT=77", "a.example[192.0.2.9]:77")]
    [InlineData("ADDR=192.0.2.9", "unknown[192.0.2.9]:unknown")]
    [InlineData("NAME=a.example PORT=77", "a.example")]
    public async Task With_smtpd_client_port_logging_the_port_of_a_forwarded_client_is_logged(string attributes, string client)
    {
        var world = UceTests.World(("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger), ("smtpd_client_port_logging", "yes"));
        var session = await world.Connect().HelloAsync();
        await session.CommandAsync($"XFORWARD {attributes}");
        await session.CommandAsync("MAIL FROM:<a@sender.example>");
        await session.CommandAsync("RCPT TO:<alice@dest.example>");
        await session.FinishAsync();
        Assert.Contains(world.LogLines, line => line.EndsWith($", orig_client={client}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("XCLIENT foo=1", "501 5.5.4 Bad XCLIENT attribute name: foo")]
    [InlineData("XFORWARD foo=1", "501 5.5.4 Bad XFORWARD attribute name: foo")]
    [InlineData("XCLIENT addr=bad", "501 5.5.4 Bad ADDR syntax: bad")]
    [InlineData("XFORWARD addr=bad", "501 5.5.4 Bad ADDR syntax: bad")]
    [InlineData("XCLIENT port=99999", "220 mx.dest.example ESMTP Postfix")]
    [InlineData("XFORWARD port=99999", "250 2.0.0 Ok")]
    // Postfix: only of a host name can a lookup fail for now, and only XCLIENT says so.
    [InlineData("XCLIENT ADDR=[TEMPUNAVAIL]", "501 5.5.4 Bad ADDR syntax: [TEMPUNAVAIL]")]
    [InlineData("XCLIENT NAME=[TEMPUNAVAIL]", "220 mx.dest.example ESMTP Postfix")]
    [InlineData("XFORWARD NAME=[TEMPUNAVAIL]", "501 5.5.4 Bad NAME syntax: [TEMPUNAVAIL]")]
    [InlineData("XFORWARD NAME=[UNAVAILABLE]", "250 2.0.0 Ok")]
    [InlineData("XCLIENT ADDR=IPV6:::ffff:192.0.2.1", "220 mx.dest.example ESMTP Postfix")]
    [InlineData("XCLIENT port=123456", "501 5.5.4 Bad PORT syntax: 123456")]
    public async Task Attributes_of_clients_are_taken_or_named_as_they_were_given(string command, string reply)
    {
        var world = UceTests.World(("smtpd_authorized_xclient_hosts", SmtpdWorld.Stranger), ("smtpd_authorized_xforward_hosts", SmtpdWorld.Stranger));
        var client = await world.Connect().HelloAsync();
        Assert.Equal(reply, await client.CommandAsync(command));
        await client.FinishAsync();
    }

    [Fact]
    public async Task A_policy_service_that_only_closes_is_asked_as_often_as_Postfix_does()
    {
        var asked = 0;
        using var server = new PolicyServer(_ => ++asked == 1 ? "action=\n\n" : null);
        var list = $"check_policy_service {{ {server.Endpoint}, timeout=5s }}";
        var world = UceTests.World(("smtpd_recipient_restrictions", list));
        Assert.Equal("250 2.1.5 Ok", await UceTests.RcptAsync(world));
        Assert.Contains($"warning: access table {{ {server.Endpoint}, timeout=5s }} entry policy query has empty value", world.LogLines);
        // One kept connection and one new one are the two tries of smtpd_policy_service_try_limit.
        Assert.StartsWith("451 4.3.5 ", await UceTests.RcptAsync(world), StringComparison.Ordinal);
        Assert.Equal(3, asked);
        Assert.Equal([$"warning: problem talking to server {server.Endpoint[5..]}: Application error"], world.LogLines.Where(line => line.Contains("talking", StringComparison.Ordinal)));
    }

    private static async Task<string?> HeloAsync(string name)
    {
        var world = UceTests.World(("smtpd_helo_restrictions", "reject_invalid_helo_hostname"));
        var client = await world.Connect().HelloAsync(name);
        await client.CommandAsync("MAIL FROM:<a@sender.example>");
        var reply = await client.CommandAsync("RCPT TO:<alice@dest.example>");
        await client.FinishAsync();
        return reply;
    }

    [Theory]
    [InlineData(false, "from=<\"a b\"@sender.example> to=<\"c d\"@elsewhere.example>")]
    [InlineData(true, "from=<a b@sender.example> to=<c d@elsewhere.example>")]
    public async Task Addresses_of_refusals_are_logged_with_quotes_or_without(bool without, string words)
    {
        var world = new SmtpdWorld(("smtpd_forbid_unauth_pipelining", "no")) { InternalAddresses = without };
        await world.TalkAsync("EHLO c\r\nMAIL FROM:<\"a b\"@sender.example>\r\nRCPT TO:<\"c d\"@elsewhere.example>\r\nQUIT\r\n");
        Assert.Contains(world.LogLines, line => line.Contains($"Relay access denied; {words} proto=ESMTP", StringComparison.Ordinal));
    }
}
