using System.IO.Pipelines;
using Facteur.Services.Master;

namespace Facteur.Services.Tests.Master;

public sealed class WatchedLinkTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_end_of_any_end_is_noticed(int end)
    {
        var ended = 0;
        var (a, b) = WatchedLink.Create(() => ended++);
        var pipe = (IDuplexPipe[])[a, b];
        if (end % 2 == 0)
        {
            pipe[end / 2].Input.Complete();
        }
        else
        {
            pipe[end / 2].Output.Complete();
        }
        Assert.Equal(1, ended);
    }

    [Fact]
    public async Task A_stop_is_no_failure()
    {
        var room = new MasterRoom();
        await using (room)
        {
            await room.StartAsync();
        }
        Assert.Equal(0, room.Failures);
        Assert.DoesNotContain(room.Log.Lines, line => line.Contains("fatal", StringComparison.Ordinal));
    }
}
