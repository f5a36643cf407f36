using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Dns;
using Facteur.Services.Master.Roles;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Support.Anvil;
using Facteur.Tables;

namespace Facteur.Services.Master;

/// <summary>smtpd(8) by itself, for a program on this host (sendmail -bs): one session, whether the mail system runs or not.</summary>
public static class StandAlone
{
    /// <summary>Serves one session until the client leaves.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="cleanup">Takes the mail.</param>
    /// <param name="pipe">The client.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public static async Task ServeAsync(IConfig config, ICleanup cleanup, IDuplexPipe pipe, IMailLog log, TimeProvider time)
    {
        var smtpdLog = Entries.LogOf(log, config, "smtpd");
        var events = new TableLog(smtpdLog, time);
        using var tables = new TableSet(config, events, time, new TableOptions { Utf8 = config.Get(CommonParameters.Smtputf8Enable) });
        var lists = new MatchLists(config, tables, events);
        var arrows = new SmtpdArrows
        {
            Cleanup = cleanup,
            Rewrite = new NoRewrite(),
            Dns = new DnsClientResolver("/etc/resolv.conf", time),
            Tables = tables,
            MatchLists = lists,
            AddressMaps = new AddressMaps(config, lists, static _ => false),
            Anvil = new AnvilService(config, log: null, time),
            Hosts = new HostsFile("/etc/hosts", time),
        };
        using var smtpd = SmtpdService.StandAlone(config, arrows, smtpdLog, time);
        await smtpd.ServeAsync(pipe, null, null, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Where addresses go is asked when the mail system takes the mail.</summary>
    private sealed class NoRewrite : IRewrite
    {
        public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) => new(result: null);

        public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) => new(new Resolution("", "", "", ResolveFlags.Fail));
    }
}
