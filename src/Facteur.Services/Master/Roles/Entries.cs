using Facteur.Config;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Services.Queue.Qmgr;

namespace Facteur.Services.Master.Roles;

/// <summary>What roles ask of master.cf.</summary>
internal static class Entries
{
    /// <summary>A timer takes no more: who wakes up early finds nothing and sleeps on.</summary>
    private const int LongestWakeup = 49 * 86_400;

    /// <summary>The configuration of pickup's entry, and how often it looks by itself.</summary>
    public static (IConfig Config, TimeSpan Wakeup) Pickup(ConfigLoad load)
    {
        var entry = load.Entries.FirstOrDefault(e => e.Command == "pickup");
        return (entry is null ? load.Config : load.Config.With(entry.Overrides), Wakeup(entry?.WakeupSeconds ?? 60));
    }

    /// <summary>A wakeup time of master.cf; 0 is never, as in Postfix.</summary>
    internal static TimeSpan Wakeup(int seconds) => seconds == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(Math.Min(seconds, LongestWakeup));

    /// <summary>The configuration of qmgr's entry, whatever its name.</summary>
    public static IConfig Qmgr(ConfigLoad load) =>
        load.Entries.FirstOrDefault(e => e.Command is "qmgr" or "nqmgr" or "oqmgr") is { } entry ? load.Config.With(entry.Overrides) : load.Config;

    /// <summary>The configuration of an entry.</summary>
    public static IConfig ConfigOf(ConfigLoad load, string name) =>
        load.Entries.FirstOrDefault(e => e.Name == name) is { } entry ? load.Config.With(entry.Overrides) : load.Config;

    /// <summary>What qmgr is to know of a transport.</summary>
    public static TransportEntry Transport(ConfigLoad load, string transport) =>
        load.Entries.FirstOrDefault(e => e.Name == transport && e.Type == ServiceType.Unix) is { } entry ? new TransportEntry(entry.MaxProcesses ?? 0, entry.Command == "virtual") : default;

    /// <summary>Which transports are of the local role.</summary>
    public static Func<string, bool> LocalTransports(ConfigLoad load)
    {
        var names = load.Entries.Where(e => e.Type == ServiceType.Unix && Generation.IsLocal(e)).Select(e => e.Name).ToHashSet(StringComparer.Ordinal);
        return names.Contains;
    }

    /// <summary>Whether routing depends on the sender.</summary>
    public static bool SenderDependent(IConfig config) =>
        config.Find("sender_dependent_relayhost_maps") is { Length: > 0 } || config.Find("sender_dependent_default_transport_maps") is { Length: > 0 };

    /// <summary>default_process_limit when it is set in main.cf, else 0.</summary>
    public static int DefaultLimit(IConfig config)
    {
        var path = Path.Combine(config.ConfigDirectory, "main.cf");
        return File.Exists(path) && MainCfFile.Parse(path, File.ReadAllText(path)).Entries.ContainsKey(CommonParameters.DefaultProcessLimit.Name)
            ? (int)Math.Min(config.Get(CommonParameters.DefaultProcessLimit), int.MaxValue) : 0;
    }

    /// <summary>The log of a service: $syslog_name/name.</summary>
    public static ServiceLog LogOf(IMailLog log, IConfig config, string service, bool verbose = false) =>
        new(log, $"{config.Get(CommonParameters.SyslogName)}/{service}", verbose, config.Get(CommonParameters.InfoLogAddressFormat).ToLowerInvariant() switch
        {
            "external" => false,
            "internal" => true,
            var other => throw new ConfigException($"bad parameter value: '{CommonParameters.InfoLogAddressFormat.Name} = {other}', expected external or internal"),
        });

    /// <summary>A Unix-domain socket of the queue directory.</summary>
    /// <exception cref="ConfigException">It can't be had.</exception>
    public static Listener Listen(ISockets sockets, string name, uint mode, ServiceLog master)
    {
        try
        {
            return sockets.Unix(name, mode, text => master.Warning($"{name}: {text}"));
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new ConfigException($"listen on {name}: {e.Message}");
        }
    }
}
