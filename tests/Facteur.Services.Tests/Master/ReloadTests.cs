namespace Facteur.Services.Tests.Master;

/// <summary>postfix reload, on a running system.</summary>
public sealed class ReloadTests
{
    [Theory]
    [InlineData("defer_transports = {smtp")]
    [InlineData("authorized_mailq_users = {root")]
    public async Task A_reload_that_fails_leaves_the_old_configuration(string mistake)
    {
        await using var room = new MasterRoom();
        await room.StartAsync("smtpd_banner = old");
        await room.ReloadAsync($"smtpd_banner = wrong\n{mistake}");
        Assert.Contains(room.Log.Lines, line => line.StartsWith("postfix/master: error: reload: ", StringComparison.Ordinal));
        Assert.Equal("220 old\r\n", await room.GreetingAsync());
        await room.ReloadAsync("smtpd_banner = new");
        Assert.Equal("220 new\r\n", await room.GreetingAsync());
    }

    [Fact]
    public async Task A_reload_renews_routing_by_sender_bounces_and_pickup()
    {
        await using var room = new MasterRoom();
        await room.StartAsync("default_transport = discard");
        await SendAsync(room, "a@one.test");
        await room.UntilAsync(() => room.Log.Lines.Any(line => line.Contains("status=sent", StringComparison.Ordinal)));
        await room.ReloadAsync("default_transport = discard\nsyslog_name = changed\nsender_dependent_default_transport_maps = inline:{@two.test=smtp:[127.0.0.1]:1}");
        await SendAsync(room, "a@one.test");
        await SendAsync(room, "b@two.test");
        await room.UntilAsync(() => room.Log.Lines.Any(line => line.Contains("status=deferred", StringComparison.Ordinal)));
        await SendAsync(room, "a@one.test", "nobody-of-this-name@mail.test");
        await room.UntilAsync(() => room.Log.Lines.Any(line => line.StartsWith("changed/bounce: ", StringComparison.Ordinal)));
    }

    private static async Task SendAsync(MasterRoom room, string sender, string recipient = "to@far.test")
    {
        await using var client = await room.ConnectAsync();
        Assert.StartsWith("220", await MasterRoom.HearAsync(client));
        foreach (var (line, answer) in new[]
        {
            ("HELO client.test", "250"), ($"MAIL FROM:<{sender}>", "250"), ($"RCPT TO:<{recipient}>", "250"), ("DATA", "354"), ("Subject: x\r\n\r\n.", "250"),
        })
        {
            Assert.StartsWith(answer, await MasterRoom.SayAsync(client, line));
        }
    }
}
