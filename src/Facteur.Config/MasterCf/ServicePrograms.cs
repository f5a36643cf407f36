namespace Facteur.Config.MasterCf;

/// <summary>The programs that entries of master.cf may name, and what becomes of those that are of no use here.</summary>
public static class ServicePrograms
{
    private static readonly HashSet<string> Programs = new(StringComparer.Ordinal)
    {
        "anvil", "bounce", "cleanup", "defer", "discard", "dnsblog", "error", "flush", "lmtp", "local", "nqmgr", "oqmgr", "pickup", "pipe", "postlogd", "postscreen", "proxymap", "qmgr", "qmqpd", "scache",
        "showq", "smtp", "smtpd", "spawn", "tlsmgr", "tlsproxy", "trace", "trivial-rewrite", "verify", "virtual",
    };

    /// <summary>Whether Postfix has such a program.</summary>
    public static bool Has(string command) => Programs.Contains(command);

    /// <summary>Whether a program takes arguments beside its options.</summary>
    internal static bool TakesArguments(string command) => command is "pipe" or "spawn" or "smtp" or "lmtp";

    /// <summary>Whether mail goes its way without an entry of this program: who comes by it, or goes to it, is served later, all others now.</summary>
    public static bool CanBeLeftOut(string command) => command is "smtpd" or "smtp" or "lmtp" or "local" or "virtual" or "pipe" or "error" or "discard" or "spawn" or "postscreen" or "qmqpd" or "dnsblog" or "tlsproxy" || !Has(command);

    /// <summary>Why an entry has no effect, or null.</summary>
    public static string? Unserved(MasterEntry entry) => !Has(entry.Command) ? $"there is no program {entry.Command}: {(entry.Type == ServiceType.Unix ? "mail for it waits" : "nobody is served")}"
        : entry.Command is "postscreen" or "spawn" or "qmqpd" or "dnsblog" || (entry.Command == "smtpd" ? entry.Type != ServiceType.Inet : entry.Type == ServiceType.Inet) ? "is not acted on yet" : null;
}
