using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>What stands around the engine on its own thread, with a clock that the test moves: addresses "x@d" go to d by smtp, reports are discarded, no mail is made.</summary>
public abstract class EngineRoom : IRewrite, IBounce, IResubmit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private protected ManualTime Time { get; } = new();

    ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel) => new(address);

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        new(new Resolution("smtp", recipient[2..], recipient, ResolveFlags.Default));

    ValueTask<ReportResult> IBounce.ReportAsync(ReportRequest request, CancellationToken cancel) => new(ReportResult.Discarded);

    IResubmitMessage IResubmit.Begin(Envelope envelope) => throw new InvalidOperationException("nothing was to be made");

    private protected static async Task Until(Func<bool> holds)
    {
        for (var until = TimeProvider.System.GetUtcNow() + Limit; !holds(); await Task.Delay(5, TestContext.Current.CancellationToken))
        {
            Assert.True(TimeProvider.System.GetUtcNow() < until, "it did not come to this");
        }
    }

    private protected async Task<ulong> SubmitAsync(IncomingClient incoming, params string[] recipients)
    {
        var cancel = TestContext.Current.CancellationToken;
        var id = await incoming.TakeIdAsync(cancel);
        Assert.Equal(CleanupStatus.Ok, await incoming.EndAsync(id, "x\n"u8.ToArray(), new Envelope
        {
            Sender = "a@b.example",
            ArrivalMicros = (Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10,
            ContentSize = 2,
            Recipients = [.. recipients.Select(recipient => new EnvelopeRecipient(recipient))],
        }, cancel));
        return id;
    }
}
