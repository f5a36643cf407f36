using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Tests;

public sealed class QueueIdTests
{
    [Theory]
    [InlineData(1_790_000_000_123_456UL, false)]
    [InlineData(1_790_000_000_123_456UL, true)]
    [InlineData(1UL, false)]
    [InlineData(ulong.MaxValue, false)]
    public void A_number_survives_its_text(ulong id, bool longForm)
    {
        Assert.True(QueueId.TryParse(QueueId.Format(id, longForm), out var back));
        Assert.Equal(id, back);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abcdef")]
    [InlineData("../../etc")]
    [InlineData("4Qxyz")]
    public void What_is_no_queue_id_is_refused(string text) => Assert.False(QueueId.TryParse(text, out _));
}
