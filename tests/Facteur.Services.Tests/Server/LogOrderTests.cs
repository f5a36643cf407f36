using System.Globalization;
using System.Text;
using Facteur.Services.Server;
using Facteur.Testing;

namespace Facteur.Services.Tests.Server;

public sealed class LogOrderTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly Kept _kept = new();
    private readonly MailLog _log;
    private readonly LogOrder _order;

    public LogOrderTests()
    {
        _log = new MailLog(_kept, new LogLine(false, 0, "mx", 1, _time), "postfix/postlogd");
        _order = new LogOrder(_log, _time);
    }

    public void Dispose() => _log.Dispose();

    [Fact]
    public void Lines_stand_as_they_were_written_whoever_hands_them_over_first()
    {
        var start = _time.GetTimestamp();
        _time.Advance(TimeSpan.FromMicroseconds(60));
        _order.Add(Lines((start + Micros(50), "removed")));
        _order.Add(Lines((start + Micros(10), "client="), (start + Micros(20), "message-id=")));
        _order.Add(Lines((start + Micros(40), "status=sent")));
        _order.Add(Lines((start + Micros(30), "active"), (start + Micros(50), "after, at the same time")));
        Assert.True(_order.Turn());
        Assert.Equal("", Written());
        _time.Advance(TimeSpan.FromMilliseconds(49));
        Assert.True(_order.Turn());
        Assert.Equal("", Written());
        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.False(_order.Turn());
        Assert.Equal("client=\nmessage-id=\nactive\nstatus=sent\nremoved\nafter, at the same time\n", Written());
    }

    [Fact]
    public void What_is_younger_goes_on_waiting()
    {
        _order.Add(Lines((_time.GetTimestamp(), "old")));
        _time.Advance(TimeSpan.FromMilliseconds(40));
        _order.Add(Lines((_time.GetTimestamp(), "young")));
        _time.Advance(TimeSpan.FromMilliseconds(15));
        Assert.True(_order.Turn());
        Assert.Equal("old\n", Written());
        _order.Flush();
        Assert.Equal("old\nyoung\n", Written());
    }

    [Fact]
    public void What_claims_to_be_of_later_does_not_wait_till_then()
    {
        _order.Add(Lines((long.MaxValue, "later")));
        _time.Advance(TimeSpan.FromMilliseconds(51));
        Assert.False(_order.Turn());
        Assert.Equal("later\n", Written());
    }

    [Fact]
    public void More_than_there_is_room_for_does_not_wait()
    {
        var line = new string('x', 4000);
        for (var i = 0; i < 200; i++)
        {
            _order.Add(Lines((_time.GetTimestamp(), line)));
            Written();
        }
        _order.Flush();
        Assert.Equal(200 * 4001, Written().Length);
    }

    [Theory]
    [InlineData("no stamp\n", "no stamp\n")]
    [InlineData("00000000000000", "00000000000000")]
    [InlineData("\n\n", "\n\n")]
    [InlineData("zzzzzzzzzzzzzzzztext\n", "zzzzzzzzzzzzzzzztext\n")]
    public void A_line_without_a_stamp_is_kept_as_it_is(string lines, string expected)
    {
        _order.Add(Encoding.UTF8.GetBytes(lines));
        _order.Flush();
        Assert.Equal(expected, Written());
    }

    private long Micros(int count) => count * _time.TimestampFrequency / 1_000_000;

    private static byte[] Lines(params (long Stamp, string Text)[] lines) =>
        Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => $"{l.Stamp.ToString("x16", CultureInfo.InvariantCulture)}{l.Text}\n")));

    private string Written()
    {
        _log.Flush();
        return _kept.Text.ToString();
    }

    private sealed class Kept : ILogSink
    {
        public StringBuilder Text { get; } = new();

        public int Write(ReadOnlySpan<byte> lines)
        {
            Text.Append(Encoding.UTF8.GetString(lines));
            return 0;
        }

        public void Reopen()
        {
        }

        public void Dispose()
        {
        }
    }
}
