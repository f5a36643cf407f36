using System.IO.Pipelines;
using CsCheck;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests.Wire;

public sealed class LinkTests
{
    [Fact]
    public void Frames_arrive_whole_and_in_order_whatever_their_size()
    {
        var (a, b) = PipePair.Create(window: 100_000);
        var writer = new LinkWriter(a.Output);
        using var rung = new AutoResetEvent(false);
        var reader = new LinkReader(b.Input, () => rung.Set());
        const int count = 2000;
        var sender = new Thread(() =>
        {
            for (var i = 0; i < count; i++)
            {
                // Both ways into the link, in any order.
                if (i % 5 < 2)
                {
                    writer.Write(7, 1, (ulong)i, new byte[i * 37 % 70_000]);
                }
                else
                {
                    writer.Write(7, 1, (ulong)i, new byte[i * 37 % 70_000], static (byte[] bytes, ref FieldWriter w) => w.Bytes(bytes));
                }
                if (i % 3 == 0)
                {
                    writer.Flush();
                }
            }
            writer.Complete();
        });
        sender.Start();
        for (var i = 0; i < count; i++)
        {
            Frame frame;
            while (!reader.TryRead(out frame))
            {
                Assert.True(rung.WaitOne(TimeSpan.FromSeconds(10)), $"lost a ring before frame {i}");
            }
            Assert.Equal((ulong)i, frame.Id);
            var fields = new FieldReader(frame.Payload);
            Assert.Equal(i * 37 % 70_000, fields.Bytes(70_000).Length);
            Assert.True(fields.Complete);
        }
        sender.Join();
    }

    [Fact]
    public void Hostile_bytes_end_the_link_and_never_throw()
    {
        Gen.Byte.Array[0, 200].Sample(bytes =>
        {
            var pipe = new Pipe();
            pipe.Writer.WriteAsync(bytes).AsTask().GetAwaiter().GetResult();
            pipe.Writer.Complete();
            var reader = new LinkReader(pipe.Reader, static () => { });
            while (reader.TryRead(out var frame))
            {
                Assert.True(frame.Payload.Length <= bytes.Length);
                _ = DeliveryFrames.ReadRequest(frame);
                _ = DeliveryFrames.ReadResult(frame);
                var fields = new FieldReader(frame.Payload);
                _ = EnvelopeCodec.Read(ref fields);
            }
            Assert.True(reader.Closed);
        }, iter: 20_000);
    }
}
