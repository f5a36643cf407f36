using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>An orderly stop and a reload: what is under way is ended, and nothing goes twice.</summary>
public sealed class StopTests
{
    private const int Messages = 60;

    // default_destination_concurrency_limit
    private const int AtOnce = 20;

    [Fact]
    public async Task A_stop_ends_the_deliveries_under_way_and_leaves_the_others_to_the_next_start()
    {
        using var sink = new Sink { Held = "X-Number" };
        using var mail = Loaded(sink);
        var stop = Task.Run(mail.Stop);
        await Task.Delay(700, TestContext.Current.CancellationToken);
        sink.Held = null;
        await stop;
        mail.Gone();
        Assert.InRange(sink.Numbers.Count, 1, AtOnce);
        mail.Verify();
        mail.Start();
        Ended(mail, sink);
    }

    [Fact]
    public void A_reload_lets_deliveries_end_and_each_message_goes_once()
    {
        using var sink = new Sink { Held = "X-Number" };
        using var mail = Loaded(sink);
        mail.Reload();
        sink.Held = null;
        mail.Reload();
        Ended(mail, sink);
    }

    private static Instance Loaded(Sink sink)
    {
        var mail = Instance.Started(sink.Relayhost);
        using var client = new Client(mail.Smtp);
        client.Expect("250", "EHLO x.test");
        for (var n = 0; n < Messages; n++)
        {
            Assert.StartsWith("250", client.Mail("s@box.test", "a@else.test", $"X-Number: {n}\n\n"), StringComparison.Ordinal);
        }
        Poll.Until(() => !sink.Numbers.IsEmpty, () => mail.Log);
        return mail;
    }

    private static void Ended(Instance mail, Sink sink)
    {
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Equal(Messages, sink.Numbers.Count);
        Assert.All(sink.Numbers, number => Assert.Equal(1, number.Value));
        mail.Verify();
    }
}
