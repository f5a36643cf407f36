namespace Facteur.Config.MasterCf;

/// <summary>How a service of master.cf is reached.</summary>
public enum ServiceType : byte
{
    /// <summary>A TCP socket: [host:]port.</summary>
    Inet,

    /// <summary>A local stream socket in private/ or public/.</summary>
    Unix,

    /// <summary>A local datagram socket in private/ or public/.</summary>
    UnixDgram,

    /// <summary>A named pipe in private/ or public/ (obsolete, treated as unix by its service).</summary>
    Fifo,

    /// <summary>A local stream socket on which connections are passed (postscreen to smtpd).</summary>
    Pass,
}

/// <summary>One service of master.cf, its dashes replaced by their defaults.</summary>
/// <param name="Name">Its name as written: smtp, 127.0.0.1:10025, rewrite…</param>
/// <param name="Type">How it is reached.</param>
/// <param name="Private">Whether its socket is in private/.</param>
/// <param name="Unprivileged">Whether it runs as mail_owner.</param>
/// <param name="Chroot">Whether absolute names of sockets begin at queue_directory (<see cref="SocketNames"/>).</param>
/// <param name="WakeupSeconds">Seconds between wakeups; 0 for none.</param>
/// <param name="WakeupConditional">Whether it is woken only when it is in use ("?").</param>
/// <param name="MaxProcesses">Concurrent sessions or deliveries; 0 for no limit, null for "-" (default_process_limit).</param>
/// <param name="Command">The service program's name: smtpd, cleanup, pipe…</param>
/// <param name="Arguments">Arguments that are not options of the skeleton, such as pipe's flags= and argv=; without -o, -v and -D.</param>
/// <param name="Overrides">For <see cref="IConfig.With"/>: service_name, process_name, then name=value of each -o, in order.</param>
/// <param name="Verbose">How many -v there are.</param>
/// <param name="Debug">Whether -D is there.</param>
/// <param name="Line">The line it starts on.</param>
public sealed record MasterEntry(
    string Name, ServiceType Type, bool Private, bool Unprivileged, bool Chroot, int WakeupSeconds, bool WakeupConditional, int? MaxProcesses,
    string Command, IReadOnlyList<string> Arguments, IReadOnlyList<KeyValuePair<string, string>> Overrides, int Verbose, bool Debug, int Line)
{
    /// <summary>name=value of each -o, in order.</summary>
    public IEnumerable<KeyValuePair<string, string>> Options => Overrides.Skip(2);

    /// <summary>The type as master.cf writes it.</summary>
    public string TypeName => NameOf(Type);

    /// <summary>The type as master.cf writes it.</summary>
    public static string NameOf(ServiceType type) => type switch
    {
        ServiceType.Inet => "inet",
        ServiceType.Unix => "unix",
        ServiceType.UnixDgram => "unix-dgram",
        ServiceType.Fifo => "fifo",
        _ => "pass",
    };

    /// <summary>The type of a word of master.cf, or null.</summary>
    public static ServiceType? TypeOf(string word) => word switch
    {
        "inet" => ServiceType.Inet,
        "unix" => ServiceType.Unix,
        "unix-dgram" => ServiceType.UnixDgram,
        "fifo" => ServiceType.Fifo,
        "pass" => ServiceType.Pass,
        _ => null,
    };
}
