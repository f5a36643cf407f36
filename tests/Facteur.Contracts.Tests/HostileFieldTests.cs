using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

/// <summary>What a sender of mail can put in a field never ends a link: one message would stop all mail.</summary>
public sealed class HostileFieldTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(100)]
    [InlineData(8_192)]
    [InlineData(8_193)]
    [InlineData(100_000)]
    public async Task An_address_of_any_length_leaves_the_link_to_rewrite_in_order(int length)
    {
        var (a, b) = PipePair.Create();
        using var server = new RewriteServer(b, new Echo());
        using var client = new RewriteClient(a, senderDependent: false, TimeProvider.System, static () => { });
        var address = new string('<', length);
        Assert.Equal(address, await AnswerAsync(client, client.RewriteAsync(true, address, Cancel)));
        var resolution = await AnswerAsync(client, client.ResolveAsync("", address, Cancel));
        Assert.Equal(length > 6000 ? ResolveFlags.Fail : ResolveFlags.Default, resolution.Flags);
        Assert.Equal("x", await AnswerAsync(client, client.RewriteAsync(true, "x", Cancel)));
    }

    [Fact]
    public async Task Another_configuration_forgets_answers_and_keeps_them_by_sender()
    {
        var (a, b) = PipePair.Create();
        var echo = new Echo();
        using var server = new RewriteServer(b, echo);
        using var client = new RewriteClient(a, senderDependent: false, TimeProvider.System, static () => { });
        await AnswerAsync(client, client.ResolveAsync("s", "r", Cancel));
        await AnswerAsync(client, client.ResolveAsync("t", "r", Cancel));
        Assert.Equal(1, echo.Resolved);
        var late = client.ResolveAsync("s", "late", Cancel);
        client.Forget(senderDependent: true);
        await AnswerAsync(client, late);
        await AnswerAsync(client, client.ResolveAsync("", "late", Cancel));
        await AnswerAsync(client, client.ResolveAsync("s", "r", Cancel));
        await AnswerAsync(client, client.ResolveAsync("t", "r", Cancel));
        await AnswerAsync(client, client.ResolveAsync("t", "r", Cancel));
        Assert.Equal(5, echo.Resolved);
    }

    [Theory]
    [InlineData("throw")]
    [InlineData("long")]
    public async Task A_fault_in_an_answer_is_no_answer_and_the_link_stays(string question)
    {
        var (a, b) = PipePair.Create();
        using var server = new RewriteServer(b, new Echo());
        using var client = new RewriteClient(a, senderDependent: false, TimeProvider.System, static () => { });
        Assert.Null(await AnswerAsync(client, client.RewriteAsync(true, question, Cancel)));
        Assert.Equal(ResolveFlags.Fail, (await AnswerAsync(client, client.ResolveAsync("", question, Cancel))).Flags);
        Assert.Equal("x", await AnswerAsync(client, client.RewriteAsync(true, "x", Cancel)));
    }

    [Fact]
    public void A_question_that_can_not_be_read_has_an_answer_and_the_link_stays()
    {
        var (a, b) = PipePair.Create();
        using var server = new RewriteServer(b, new Echo());
        var writer = new LinkWriter(a.Output);
        writer.Write(RewriteFrames.Rewrite, RewriteFrames.Version, 1, 0, static (int _, ref FieldWriter fields) => fields.Byte(1));
        writer.Write(RewriteFrames.Resolve, RewriteFrames.Version, 2, 0, static (int _, ref FieldWriter fields) => fields.Text(""));
        writer.Write(RewriteFrames.Rewrite, RewriteFrames.Version, 3, 0, static (int _, ref FieldWriter fields) => { fields.Byte(1); fields.Text("x"); });
        writer.Flush();
        var answers = new List<(ulong Id, int Length)>();
        var reader = new LinkReader(a.Input, static () => { });
        for (var i = 0; i < 2000 && answers.Count < 3 && !reader.Closed; i++)
        {
            if (reader.TryRead(out var frame))
            {
                answers.Add((frame.Id, frame.Payload.Length));
                continue;
            }
            Thread.Sleep(5);
        }
        // None; three empty texts and the flags; one letter.
        Assert.Equal([(1UL, 1), (2UL, 5), (3UL, 3)], answers);
    }

    [Fact]
    public async Task An_envelope_that_does_not_fit_is_refused_before_the_link()
    {
        var (a, _) = PipePair.Create();
        using var client = new IncomingClient(a);
        var envelope = new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient(new string('a', 5000))] };
        Assert.Equal(CleanupStatus.TooLarge, await client.EndAsync(5, default, envelope, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel));
    }

    [Fact]
    public void An_envelope_fits_when_each_text_and_the_whole_do()
    {
        static Envelope Of(int length, int count) => new() { Recipients = [.. Enumerable.Repeat(new EnvelopeRecipient(new string('\u20ac', length)), count)] };
        Assert.True(EnvelopeCodec.Fits(Of(1000, 1)));
        Assert.False(EnvelopeCodec.Fits(Of(1200, 1)));
        Assert.True(EnvelopeCodec.Fits(Of(1000, 10_000)));
        Assert.False(EnvelopeCodec.Fits(Of(1000, 12_000)));
    }

    [Fact]
    public void Half_a_frame_is_taken_back()
    {
        var (a, b) = PipePair.Create();
        var writer = new LinkWriter(a.Output);
        Assert.Throws<InvalidOperationException>(() => writer.Write(1, 1, 1, 0, static (int _, ref FieldWriter w) =>
        {
            w.UInt64(7);
            throw new InvalidOperationException();
        }));
        writer.Write(2, 1, 5);
        writer.Flush();
        var reader = new LinkReader(b.Input, static () => { });
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal((2, 5UL, 0), (frame.Type, frame.Id, frame.Payload.Length));
    }

    [Fact]
    public async Task A_link_that_the_queue_ends_ends_for_its_writer_too()
    {
        var (a, b) = PipePair.Create();
        using var client = new IncomingClient(a);
        var server = new IncomingServer(b, static () => { });
        server.Ids(5, 1);
        var end = client.EndAsync(5, new byte[100_000], new Envelope(), Cancel);
        while (!server.Closed)
        {
            server.Poll(new Nothing());
        }
        Assert.Equal(CleanupStatus.WriteError, await end.AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancel));
    }

    private static async Task<T> AnswerAsync<T>(RewriteClient client, ValueTask<T> question)
    {
        var answer = question.AsTask();
        client.Flush();
        for (var i = 0; i < 1000 && !answer.IsCompleted; i++)
        {
            client.Poll();
            await Task.Delay(1, Cancel);
        }
        Assert.True(answer.IsCompleted, "no answer came");
        return await answer;
    }

    private sealed class Echo : IRewrite
    {
        public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) =>
            address == "throw" ? throw new InvalidOperationException() : new(address == "long" ? new string('a', 9000) : address);

        public int Resolved { get; private set; }

        public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel)
        {
            Resolved++;
            return recipient == "throw" ? throw new InvalidOperationException() : new(new Resolution("smtp", "h", recipient == "long" ? new string('a', 9000) : recipient, ResolveFlags.Default));
        }
    }

    private sealed class Nothing : IIncomingSink
    {
        public void TakeIds(IncomingServer from, int count) => from.Ids(1, count);

        public void Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content)
        {
        }

        public void End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope)
        {
        }

        public void Abort(ulong id)
        {
        }

        public void Closed(IncomingServer from)
        {
        }
    }
}
