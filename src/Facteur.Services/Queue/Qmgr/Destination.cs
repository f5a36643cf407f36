using Facteur.Contracts;
using Facteur.Mail.Dsn;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>Recipients of one message for one destination, sent in pieces of the transport's recipient limit.</summary>
internal sealed class Job(ActiveMessage message, string nexthop)
{
    public ActiveMessage Message { get; } = message;

    public string Nexthop { get; } = nexthop;

    /// <summary>Index in the envelope and resolved address.</summary>
    public List<(int Index, string Address)> Recipients { get; } = [];

    public int Sent { get; set; }

    public bool Finished => Sent >= Recipients.Count || Message.Removed;
}

/// <summary>A transport of master.cf as the scheduler sees it.</summary>
internal sealed class Transport(string name, TransportSettings settings)
{
    public string Name { get; } = name;

    public TransportSettings Settings { get; set; } = settings;

    public Dictionary<string, Destination> Destinations { get; } = new(StringComparer.Ordinal);

    /// <summary>Destinations that have work and room in their window, served in turn.</summary>
    public Queue<Destination> Ready { get; } = new();

    public int Busy { get; set; }

    /// <summary>Dead until this time, for this reason.</summary>
    public long DeadUntilMicros { get; set; }

    public DeliveryStatus? DeadReason { get; set; }

    /// <summary>In the scheduler's list of transports to look at again: rate delay.</summary>
    public bool Rests { get; set; }

    /// <summary>Has work, and may begin it as far as its own limits go.</summary>
    public bool Willing => Ready.Count > 0 && !Rests && (Settings.ProcessLimit == 0 || Busy < Settings.ProcessLimit);

    /// <summary>In the scheduler's ring of transports.</summary>
    public bool InRing { get; set; }
}

/// <summary>A destination of a transport: its window, its jobs. Jobs are served in turn, so that one big message does not hold the others up.</summary>
internal sealed class Destination(Transport transport, string key)
{
    private double _success;
    private double _failure;
    private double _failedCohorts;

    public Transport Transport { get; } = transport;

    public string Key { get; } = key;

    public Queue<Job> Jobs { get; } = new();

    /// <summary>The job added last, which takes further recipients of its message.</summary>
    public Job? LastJob { get; set; }

    /// <summary>Deliveries allowed side by side.</summary>
    public int Window { get; private set; } = transport.Settings.InitialConcurrency;

    public int Busy { get; set; }

    /// <summary>In the transport's ring.</summary>
    public bool InRing { get; set; }

    /// <summary>When its last delivery ended; for a while after it the destination is remembered.</summary>
    public long EndedMicros { get; set; }

    /// <summary>Connections to it are used, and kept, again: see <see cref="Begin"/>.</summary>
    public DeliveryFlags Connections { get; private set; }

    /// <summary>When its last delivery ended, with another waiting or under way; 0 after a rest.</summary>
    private long BackToBackMicros { get; set; }

    /// <summary>In the scheduler's list of destinations to look at again.</summary>
    public bool Lingers { get; set; }

    /// <summary>Not before this time: rate delay.</summary>
    public long NotBeforeMicros { get; set; }

    /// <summary>In the scheduler's list of destinations to look at again because of the rate delay.</summary>
    public bool Waits { get; set; }

    /// <summary>Dead until this time, for this reason.</summary>
    public long DeadUntilMicros { get; set; }

    public DeliveryStatus? DeadReason { get; set; }

    /// <summary>Deliveries that wait or are under way: what it takes of the active queue.</summary>
    public int Entries => Jobs.Count + Busy;

    /// <summary>Not before this time is it said again that it fills the active queue.</summary>
    public long ClogWarnMicros { get; set; }

    public bool Idle => Jobs.Count == 0 && Busy == 0;

    /// <summary>
    /// A delivery, counted in <see cref="Busy"/>, begins. Postfix: connections are kept where deliveries follow one another without a rest, not for a burst that the
    /// first window takes; those kept are used up before new ones are made. Left on purpose: Postfix forgets a destination for which nothing is there for a
    /// moment, and with it that connections are kept; we are at that moment after almost every message.
    /// </summary>
    public void Begin(long nowMicros)
    {
        var follows = BackToBackMicros > 0 && nowMicros / 1_000_000 <= (BackToBackMicros / 1_000_000) + 1;
        if ((Connections & DeliveryFlags.KeepConnection) == 0)
        {
            Connections = follows ? DeliveryFlags.KeepConnection | DeliveryFlags.UseConnection : Connections;
        }
        else if (!follows && Busy <= 1)
        {
            Connections = DeliveryFlags.UseConnection;
        }
    }

    /// <summary>A delivery, counted no more, ended.</summary>
    public void End(long nowMicros)
    {
        var rests = Idle && (Connections & DeliveryFlags.KeepConnection) == 0;
        BackToBackMicros = rests ? 0 : nowMicros;
        Connections = rests ? DeliveryFlags.None : Connections;
    }

    /// <summary>A delivery, counted in <see cref="Busy"/> still, ended and the destination spoke.</summary>
    public void Succeeded()
    {
        var settings = Transport.Settings;
        var limit = Math.Max(settings.ConcurrencyLimit, 1);
        _failedCohorts = 0;
        _failure = 0;
        // Postfix: a window far wider than what is under way would make negative feedback ineffective.
        if (Window < limit && Window < Busy + settings.InitialConcurrency)
        {
            _success += settings.Positive.At(Window);
            if (_success >= 1)
            {
                _success -= 1;
                Window++;
            }
        }
        Window = Math.Min(Window, limit);
    }

    /// <summary>A delivery failed at the destination itself.</summary>
    /// <returns>True when the destination is dead now.</returns>
    public bool Failed()
    {
        var settings = Transport.Settings;
        _success = 0;
        _failedCohorts += 1.0 / Window;
        if (settings.FailedCohortLimit > 0 && _failedCohorts >= settings.FailedCohortLimit - 1e-9)
        {
            Window = settings.InitialConcurrency;
            _failedCohorts = 0;
            return true;
        }
        _failure += settings.Negative.At(Window);
        if (_failure >= 1)
        {
            _failure -= 1;
            Window = Math.Max(Window - 1, 1);
        }
        return false;
    }
}
