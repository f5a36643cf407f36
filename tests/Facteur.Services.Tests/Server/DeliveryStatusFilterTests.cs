using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Server;

public sealed class DeliveryStatusFilterTests
{
    /// <summary>A table of a file answers later while the file is being read anew: that is no fault of the delivery.</summary>
    [Fact]
    public void A_table_that_is_being_read_anew_is_waited_for()
    {
        using var table = new LateTable();
        var log = new TestLog();
        var filter = DeliveryStatusFilter.Of(new TestConfig((SmtpParameters.Smtp.DeliveryStatusFilter.Name, "late")), SmtpParameters.Smtp.DeliveryStatusFilter, table, new ServiceLog(log, "postfix/smtp"));
        var status = filter!.Apply(DeliveryStatus.Bounced(1, 1, "no"));
        Assert.Equal((DeliveryOutcome.Deferred, "4.1.1", "5.1.1 no, later"), (status.Outcome, status.Status.ToString(), status.Reason));
    }

    private sealed class LateTable : ITable, ITableSet
    {
        public string Name => "late";

        public bool IsPattern => true;

        public bool CanBlock => false;

        public ITable Open(string name) => this;

        public async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
        {
            await Task.Delay(20, cancel);
            return Lookup.Found($"4.1.1 {key}, later");
        }

        public void Dispose()
        {
            // Nothing is open.
        }
    }
}
