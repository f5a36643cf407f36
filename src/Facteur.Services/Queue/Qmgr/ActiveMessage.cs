using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>Where a recipient of an active message stands.</summary>
internal enum RecipientState : byte
{
    /// <summary>To be scheduled or waiting in a job.</summary>
    Open = 0,

    /// <summary>In a delivery request without a result.</summary>
    InFlight = 1,

    /// <summary>Delivered, or failed and reported: finished.</summary>
    Done = 2,

    /// <summary>Finished, its report is still to be made.</summary>
    Unreported = 3,

    /// <summary>To be tried again later.</summary>
    Deferred = 4,
}

/// <summary>A message in the active queue: its envelope in memory, its content on disk.</summary>
internal sealed class ActiveMessage
{
    public ActiveMessage(ulong id, string queueId, Envelope envelope, ContentLayout layout, long activeMicros)
    {
        (Id, QueueId, Envelope, Layout, ActiveMicros) = (id, queueId, envelope, layout, activeMicros);
        States = new RecipientState[envelope.Recipients.Count];
        Statuses = new DeliveryStatus?[envelope.Recipients.Count];
        Resolutions = new List<(int, Resolution)>(envelope.Recipients.Count);
        Header = HeaderFrom(envelope.Sender);
    }

    public ulong Id { get; }

    public string QueueId { get; }

    public Envelope Envelope { get; }

    /// <summary>A probe of an address: it ends with its first attempt, and nobody is told but verify.</summary>
    public bool IsProbe => (Envelope.Flags & MessageFlags.Probe) != 0;

    /// <summary>The envelope without recipients, as delivery requests carry it.</summary>
    public Envelope Header { get; }

    public ContentLayout Layout { get; set; }

    public long ActiveMicros { get; }

    public RecipientState[] States { get; }

    public DeliveryStatus?[] Statuses { get; }

    /// <summary>Recipients of this pass that have no outcome yet.</summary>
    public int Pending { get; set; }

    /// <summary>The recipient whose outcome came last and is not in the journal yet, or -1.</summary>
    public int Unstaged { get; set; } = -1;

    /// <summary>Recipients of which trivial-rewrite has not answered yet; while there are any, none is scheduled.</summary>
    public int Resolving { get; set; }

    /// <summary>Where the recipients of this pass go; in the order of sending once all are known.</summary>
    public List<(int Index, Resolution Resolution)> Resolutions { get; }

    /// <summary>Reports under way; the message waits for them.</summary>
    public int Reports { get; set; }

    /// <summary>Its report waits for others to end.</summary>
    public bool ReportWaits { get; set; }

    /// <summary>A report could not be made: try the message again later for its sake.</summary>
    public bool ReportFailed { get; set; }

    /// <summary>Deleted by an operator or put aside: what still comes in for it is ignored.</summary>
    public bool Removed { get; set; }

    /// <summary>Its content can't be read whole: it is put aside, with the outcomes that were final before.</summary>
    public bool Damaged { get; set; }

    /// <summary>postsuper -h came while it was active: it leaves for hold once nothing of it is under way.</summary>
    public bool HoldWanted { get; set; }

    /// <summary>postsuper -r came while it was active: it leaves for deferred once nothing of it is under way.</summary>
    public bool QuietWanted { get; set; }

    /// <summary>Nothing more of it is started.</summary>
    public bool Rests => HoldWanted || QuietWanted;

    /// <summary>postsuper -e or -f: not delivered any more.</summary>
    public bool Expire { get; set; }

    /// <summary>A delivery of this pass ended without a word of the next hop (content moved meanwhile, agents restarted): no reason for a long wait.</summary>
    public bool Interrupted { get; set; }

    /// <summary>The sender was told of the delay.</summary>
    public bool Warned { get; set; }

    /// <summary>It was tried before, or its first attempt was reported (sendmail -v).</summary>
    public bool Traced { get; set; }

    /// <summary>It is tried because the queue was flushed: defer_transports does not hold it back.</summary>
    public bool Flushed { get; set; }

    /// <summary>Sorts the resolutions as Postfix does: by transport, queue, domain (none last) and address.</summary>
    /// <param name="queue">The name of a resolution's queue within its transport.</param>
    public void SortResolutions(Func<Resolution, string> queue)
    {
        if (Resolutions.Count < 2)
        {
            return;
        }
        var sorted = Resolutions.ConvertAll(r => (Queue: queue(r.Resolution), r.Index, r.Resolution));
        sorted.Sort(static (one, other) =>
        {
            var (a, b) = (one.Resolution, other.Resolution);
            var order = string.CompareOrdinal(a.Transport, b.Transport);
            order = order != 0 ? order : string.CompareOrdinal(one.Queue, other.Queue);
            order = order != 0 ? order : CompareAddresses(a.Recipient, b.Recipient);
            return order != 0 ? order : one.Index - other.Index;
        });
        Resolutions.Clear();
        Resolutions.AddRange(sorted.Select(r => (r.Index, r.Resolution)));
    }

    /// <summary>The envelope without recipients, with another sender.</summary>
    public Envelope HeaderFrom(string sender) => new()
    {
        Sender = sender,
        ArrivalMicros = Envelope.ArrivalMicros,
        ContentSize = Envelope.ContentSize,
        EnvelopeId = Envelope.EnvelopeId,
        Return = Envelope.Return,
        Body = Envelope.Body,
        Origin = Envelope.Origin,
        Flags = Envelope.Flags,
        Client = Envelope.Client,
        Entry = Envelope.Entry,
        Attributes = Envelope.Attributes,
    };

    /// <summary>Recipients that were finished earlier, then those of this pass in the order of sending.</summary>
    public IEnumerable<int> InOrder()
    {
        var sent = new HashSet<int>(Resolutions.Select(r => r.Index));
        return Enumerable.Range(0, States.Length).Where(i => !sent.Contains(i)).Concat(Resolutions.Select(r => r.Index));
    }

    /// <summary>By domain, none last, then by address without quotes.</summary>
    public static int CompareAddresses(string a, string b)
    {
        var (atA, atB) = (a.LastIndexOf('@'), b.LastIndexOf('@'));
        var order = atA < 0 || atB < 0 ? (atA < 0).CompareTo(atB < 0) : CompareDomains(a.AsSpan(atA), b.AsSpan(atB));
        return order != 0 ? order : string.CompareOrdinal(AddressParts.Unquote(a), AddressParts.Unquote(b));
    }

    // As strcasecmp(3): as small letters, so that "[" and "_" come before letters.
    private static int CompareDomains(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        for (var i = 0; i < a.Length && i < b.Length; i++)
        {
            var (one, other) = (char.IsAscii(a[i]) ? char.ToLowerInvariant(a[i]) : a[i], char.IsAscii(b[i]) ? char.ToLowerInvariant(b[i]) : b[i]);
            if (one != other)
            {
                return one - other;
            }
        }
        return a.Length - b.Length;
    }
}
