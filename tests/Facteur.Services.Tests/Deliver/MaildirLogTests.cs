using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Deliver;
using Facteur.Testing;

namespace Facteur.Services.Tests.Deliver;

public sealed class MaildirLogTests
{
    [Theory]
    [InlineData("maildir delivery failed: create maildir file /h/Maildir/tmp/1.P2: Permission denied", true)]
    [InlineData("maildir delivery failed: create maildir file /h/Maildir/tmp/1.P2: Not a directory", false)]
    [InlineData("Permission denied", false)]
    public void Only_a_refused_access_is_the_administrators_to_mend(string reason, bool said)
    {
        var log = new TestLog();
        MaildirLog.Problem(new ServiceLog(log, "postfix/local"), DeliveryStatus.Bounced(2, 0, reason), 1000, 100);
        MaildirLog.Problem(new ServiceLog(log, "postfix/local"), null, 1000, 100);
        string[] expected = said ? ["maildir access problem for UID/GID=1000/100: create maildir file /h/Maildir/tmp/1.P2: Permission denied", "perhaps you need to create the maildirs in advance"] : [];
        Assert.Equal(expected.Select(text => $"postfix/local: warning: {text}"), log.Lines);
    }
}
