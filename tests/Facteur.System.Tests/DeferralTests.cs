using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>The next hop is down: mail waits, can be seen, and goes when the next hop is back.</summary>
public sealed class DeferralTests
{
    [Fact]
    public void Mail_waits_for_the_next_hop_and_goes_on_flush()
    {
        using var sink = new Sink(started: false);
        using var mail = Instance.Started(sink.Relayhost);
        var id = Client.Send(mail.Smtp, "s@box.test", "far@else.test", "Subject: waits\n\nx\n").Split(" as ")[1];
        var json = Poll.Until(() => mail.Queue().Where(m => m.GetProperty("queue_name").GetString() == "deferred").ToArray() is [var one] ? new { Message = one } : null, () => mail.Log).Message;
        Assert.Equal(id, json.GetProperty("queue_id").GetString());
        Assert.Equal("s@box.test", json.GetProperty("sender").GetString());
        var recipient = json.GetProperty("recipients")[0];
        Assert.Equal("far@else.test", recipient.GetProperty("address").GetString());
        var reason = $"connect to 127.0.0.1[127.0.0.1]:{sink.Number}: Connection refused";
        Assert.Equal(reason, recipient.GetProperty("delay_reason").GetString());
        var listing = mail.Run("postqueue", "-p").Fine();
        Assert.Contains(id, listing, StringComparison.Ordinal);
        Assert.Contains($"({reason})", listing.ReplaceLineEndings(" ").Replace("  ", ""), StringComparison.Ordinal);
        Assert.Contains("far@else.test", listing, StringComparison.Ordinal);
        Assert.Contains(" in 1 Request.", listing, StringComparison.Ordinal);
        Assert.Equal(listing, Parts.Program.Run(Parts.Program.Facteur, ["mailq", "-C", $"{mail.Top}/etc"]).Fine());

        sink.Start();
        mail.Run("postqueue", "-f").Fine();
        Assert.EndsWith("\r\n\r\nx\r\n", sink.Received("Subject: waits"), StringComparison.Ordinal);
        Poll.Until(() => mail.Run("postqueue", "-p").Fine() == "Mail queue is empty\n", () => mail.Log);
        mail.Verify();
    }

    [Fact]
    public void Mail_goes_by_itself_after_the_back_off()
    {
        using var sink = new Sink(started: false);
        using var mail = Instance.Started(sink.Relayhost);
        // qmgr too takes what a reload brings.
        mail.Set("minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s");
        mail.Reload();
        Client.Send(mail.Smtp, "s@box.test", "far@else.test", "Subject: patient\n\nx\n");
        mail.Logged("status=deferred");
        sink.Start();
        sink.Received("Subject: patient");

        // A temporary refusal of one recipient keeps this recipient alone.
        Client.Send(mail.Smtp, "s@box.test", "good@else.test later@else.test", "Subject: half\n\nx\n");
        Assert.Contains("Subject: half", sink.Received("Subject: half"), StringComparison.Ordinal);
        mail.Logged("450 4.2.0 come back later");
        Poll.Until(() => sink.Envelopes.Count(e => e.Contains("<later@", StringComparison.Ordinal)) >= 3, () => mail.Log);
        Assert.Single(sink.Envelopes, e => e.Contains("<good@", StringComparison.Ordinal));
        Assert.Single(sink.Messages, m => m.Contains("Subject: half", StringComparison.Ordinal));
    }

    [Fact]
    public void Mail_goes_from_one_system_to_another()
    {
        using var second = Instance.Started("virtual_mailbox_domains = second.test\nvirtual_mailbox_maps = static:box/");
        using var first = Instance.Started($"relayhost = [127.0.0.1]:{second.Smtp}");
        var body = string.Concat(Enumerable.Range(0, 20_000).Select(n => $".line {n}\n"));
        Client.Send(first.Smtp, "s@box.test", "a@second.test", "Subject: hop\n\n" + body.Replace(".line", "..line", StringComparison.Ordinal));
        Assert.EndsWith("\n\n" + body, second.Delivered("box", "Subject: hop"), StringComparison.Ordinal);
        first.Stop();
        second.Stop();
    }
}
