using Facteur.Services.Server;

namespace Facteur.Services.Tests.Server;

public sealed class UserSessionsTests
{
    [Fact]
    public void A_user_has_twenty_and_all_have_five_hundred()
    {
        var sessions = new UserSessions();
        for (var i = 0; i < 500; i++)
        {
            Assert.True(sessions.TryEnter((uint)(1000 + i / 20)));
        }
        Assert.False(sessions.TryEnter(1));
        sessions.Leave(1000);
        Assert.False(sessions.TryEnter(1001));
        Assert.True(sessions.TryEnter(1000));
        Assert.False(sessions.TryEnter(1000));
    }
}
