using System.IO.Pipelines;
using System.Net;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Services.Server;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// smtpd(8) for one master.cf entry and one configuration. It serves any pipe: TCP, TLS, a Unix socket, standard input and output.
/// A reload makes a new one; sessions keep theirs.
/// </summary>
public sealed class SmtpdService : IDisposable
{
    // What stand-alone does not ask is not opened either: its user may not be able to read it.
    private static readonly KeyValuePair<string, string>[] StandAloneValues =
    [
        .. ((Parameter[])
        [
            CommonParameters.Mynetworks, SmtpdParameters.ForbidBareNewlineExclusions, SmtpdParameters.ClientEventLimitExceptions, SmtpdParameters.FastFlushDomains,
            SmtpdParameters.AuthorizedVerpClients,
            RecipientMapsParameters.LocalRecipientMaps, RecipientMapsParameters.RelayRecipientMaps, RecipientMapsParameters.VirtualMailboxMaps,
            RecipientMapsParameters.RecipientCanonicalMaps, RecipientMapsParameters.SenderCanonicalMaps, RecipientMapsParameters.CanonicalMaps,
            RecipientMapsParameters.VirtualAliasMaps, SmtpdParameters.AuthorizedXclientHosts, SmtpdParameters.AuthorizedXforwardHosts, SmtpdParameters.ProxyFilter, SmtpdParameters.UpstreamProxyProtocol,
        ]).Select(parameter => KeyValuePair.Create(parameter.Name, "")),
        .. ((Parameter[])
        [
            SmtpdParameters.ClientConnectionCountLimit, SmtpdParameters.ClientConnectionRateLimit, SmtpdParameters.ClientMessageRateLimit, SmtpdParameters.ClientRecipientRateLimit,
        ]).Select(parameter => KeyValuePair.Create(parameter.Name, "0")),
        // Programs write "\n" into pipes.
        KeyValuePair.Create(SmtpdParameters.ForbidBareNewline.Name, "no"),
    ];

    private readonly Heartbeat _heartbeat;
    private readonly PeerName _peerName;

    /// <summary>Reads the configuration and opens its tables.</summary>
    /// <param name="config">The entry's snapshot.</param>
    /// <param name="name">The entry's service name, "smtp", as limits and logs name it.</param>
    /// <param name="entry">The entry, "smtp/inet", kept in each message.</param>
    /// <param name="arrows">Whom to ask.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public SmtpdService(IConfig config, string name, string entry, SmtpdArrows arrows, ServiceLog log, TimeProvider time)
        : this(config, name, entry, arrows, log, time, standAlone: false)
    {
    }

    private SmtpdService(IConfig config, string name, string entry, SmtpdArrows arrows, ServiceLog log, TimeProvider time, bool standAlone)
    {
        IsStandAlone = standAlone;
        Entry = entry;
        Arrows = arrows;
        Time = time;
        Log = new SmtpdLog(log);
        Settings = new SmtpdSettings(config, arrows) { Dns = DnsReplyFilter.Of(arrows.Dns, config, UceParameters.DnsReplyFilter, arrows.Tables, log) };
        Stages = standAlone ? RestrictionStages.None : new RestrictionStages(config, Settings.Backwards, arrows, Log, time);
        if (Stages.IsUnprotected)
        {
            Log.NoRelayProtection();
        }
        Connections = new ConnectionLimits(Settings, arrows.Anvil, Log, name);
        Notices = new NoticeRate(time);
        DebugPeers = new DebugPeers(config, arrows.MatchLists, log);
        _heartbeat = new Heartbeat(time);
        _peerName = new PeerName(arrows.Dns, arrows.Hosts, Log, Settings.PeernameLookup, Settings.PortLogging);
    }

    /// <summary>
    /// smtpd for a local program that could as well hand its mail to sendmail(1): no restrictions and no limits on clients, input may come before its turn,
    /// lines may end in LF, and nobody is asked where an address goes (Postfix: SMTPD_STAND_ALONE).
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="arrows">Whom to ask; of these only the cleanup and the tables are.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public static SmtpdService StandAlone(IConfig config, SmtpdArrows arrows, ServiceLog log, TimeProvider time) =>
        new(config.With(StandAloneValues), "smtpd", "smtpd/stdin", arrows, log, time, standAlone: true);

    /// <summary>Sessions being served.</summary>
    public int SessionCount => _heartbeat.Count;

    internal bool IsStandAlone { get; }

    internal string Entry { get; }

    internal SmtpdArrows Arrows { get; }

    internal TimeProvider Time { get; }

    internal SmtpdLog Log { get; }

    internal SmtpdSettings Settings { get; }

    internal RestrictionStages Stages { get; }

    internal ConnectionLimits Connections { get; }

    /// <summary>How many notices the postmaster gets.</summary>
    internal NoticeRate Notices { get; }

    internal DebugPeers DebugPeers { get; }

    /// <summary>Serves one client until it leaves or the service stops. Never throws for what a peer does. The caller closes the pipe.</summary>
    /// <param name="pipe">The connection.</param>
    /// <param name="remote">The client's address; anything but an IP address is taken as this host itself.</param>
    /// <param name="local">Our address.</param>
    /// <param name="cancel">The service's end: the client is told 421 as soon as it is its turn to be answered.</param>
    public async Task ServeAsync(IDuplexPipe pipe, EndPoint? remote, EndPoint? local, CancellationToken cancel)
    {
        var channel = new SmtpdChannel(pipe, Time, Settings);
        _heartbeat.Add(channel);
        await using var stop = cancel.UnsafeRegister(static self => ((SmtpdChannel)self!).Stop(), channel).ConfigureAwait(false);
        var client = new ClientFacts();
        SmtpdSession? session = null;
        try
        {
            string? refusal = null;
            // What is only explained comes through no proxy.
            if (Settings.UpstreamProxyTimeout > TimeSpan.Zero && Arrows.Explanation is null)
            {
                (var header, refusal) = await UpstreamProxy.ReadAsync(channel, Settings, Log).ConfigureAwait(false);
                (remote, local) = header.Client is null ? (remote, local) : (header.Client, header.Server);
            }
            client = await _peerName.FindAsync(remote, cancel).ConfigureAwait(false);
            client = local is IPEndPoint server
                ? client with { ServerAddress = server.Address.ToString(), ServerPort = server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture) } : client;
            Log.Connect(client);
            if (refusal is null && Stages.IsUnprotected)
            {
                // Postfix: the process dies of it before it greets, and the client waits in vain.
                refusal = SmtpdReplies.Unprotected(Settings.Myhostname);
                Log.NoRelayProtection();
            }
            if (refusal is not null)
            {
                channel.Write(refusal);
                await channel.FlushAsync().ConfigureAwait(false);
                Log.Disconnect(client, " commands=0/0");
                return;
            }
            session = new SmtpdSession(this, channel, client, cancel);
            await session.RunAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopped in the middle of a question: the client sees the connection end without an answer and tries again.
        }
        catch (Exception e)
        {
            Log.SessionFailed(client, e);
        }
        finally
        {
            _heartbeat.Remove(channel);
            if (session is not null)
            {
                await session.ResetAsync().ConfigureAwait(false);
                if (session.Counted is { } counted)
                {
                    Connections.Leave(counted);
                }
                Log.Disconnect(session.Client, session.Counts());
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _heartbeat.Dispose();
        Stages.Dispose();
    }
}
