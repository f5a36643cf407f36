using System.Globalization;
using System.Text;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>
/// What the outside was told: for each message the changes in order, how many of them are durable, and so which states a recovery may show.
/// The journal is one sequence, so after a crash a message shows some prefix of its changes, at least the durable ones.
/// </summary>
internal sealed class Ledger
{
    public Dictionary<ulong, LedgerMessage> Messages { get; } = [];

    public ulong HighestId { get; set; }

    public int Version { get; set; }

    /// <param name="durable">All is on stable storage.</param>
    /// <param name="wrote">Something was written over what a refused commit left.</param>
    public void Committed(bool durable, bool wrote)
    {
        foreach (var message in Messages.Values)
        {
            message.Written = message.Log.Count;
            if (durable)
            {
                message.Durable = message.Log.Count;
            }
            if (durable && wrote)
            {
                message.Optional.Clear();
                message.OptionalAt = 0;
            }
            message.Forget();
        }
        Version++;
    }

    /// <summary>Nothing staged happened; without room, a part of it may still be seen after a crash.</summary>
    public void Refused(bool noSpace)
    {
        foreach (var message in Messages.Values)
        {
            if (message.Log.Count > message.Written)
            {
                message.Optional.Clear();
                if (noSpace)
                {
                    message.OptionalAt = message.Written;
                    message.Optional.AddRange(message.Log[message.Written..]);
                }
                message.Log.RemoveRange(message.Written, message.Log.Count - message.Written);
                message.Dead |= message.Log.Count == 0;
            }
            message.Forget();
        }
        Version++;
    }
}

internal sealed class LedgerMessage(ulong id)
{
    private List<string>? _acceptable;

    public ulong Id => id;

    public List<byte> Content { get; } = [];

    public Envelope Envelope { get; set; } = new();

    public List<LedgerChange> Log { get; } = [];

    public List<LedgerChange> Optional { get; } = [];

    /// <summary>Where in the log the optional changes would have come.</summary>
    public int OptionalAt { get; set; }

    public int Written { get; set; }

    public int Durable { get; set; }

    /// <summary>Aborted or refused: no more changes.</summary>
    public bool Dead { get; set; }

    public LedgerState State => LedgerState.After(Log, Log.Count);

    public bool IsAlive => !Dead && State.Exists;

    public bool Accepts(string? signature)
    {
        _acceptable ??= Compute();
        return _acceptable.Contains(signature ?? "");
    }

    public string Acceptable => string.Join(" | ", _acceptable ??= Compute());

    public void Forget() => _acceptable = null;

    private List<string> Compute()
    {
        var all = new List<string>();
        for (var k = Durable; k <= Log.Count; k++)
        {
            all.Add(LedgerState.After(Log, k).Signature());
        }
        List<LedgerChange> refused = [.. Log[..OptionalAt], .. Optional];
        for (var k = OptionalAt + 1; k <= refused.Count; k++)
        {
            all.Add(LedgerState.After(refused, k).Signature());
        }
        return all;
    }
}

internal enum LedgerKind
{
    End,
    Outcome,
    Reported,
    Move,
    Expire,
    Delete,
}

internal sealed record LedgerChange(LedgerKind Kind, QueueState State = 0, long Due = 0, SpoolOutcome Outcome = default, IReadOnlyList<int>? Recipients = null);

internal sealed class LedgerState
{
    private readonly SortedDictionary<int, SpoolOutcome> _outcomes = [];

    public bool Exists { get; private set; }

    public QueueState Queue { get; private set; }

    public IEnumerable<SpoolOutcome> Outcomes => _outcomes.Values;

    private long Due { get; set; }

    private int Attempts { get; set; }

    private bool Expire { get; set; }

    public static LedgerState After(List<LedgerChange> log, int count)
    {
        var state = new LedgerState();
        for (var i = 0; i < count; i++)
        {
            state.Apply(log[i]);
        }
        return state;
    }

    public static string Signature(in SpoolEntry entry, IEnumerable<SpoolOutcome> outcomes)
    {
        var text = new StringBuilder();
        text.Append(entry.State).Append(' ').Append(entry.DueSeconds).Append(' ').Append(entry.Attempts).Append(entry.Expire ? "x" : "");
        foreach (var outcome in outcomes)
        {
            text.Append(CultureInfo.InvariantCulture, $" {outcome.Recipient}{(outcome.Done ? "d" : "")}{(outcome.Unreported ? "u" : "")}:").Append(Encoding.Latin1.GetString(outcome.Detail.Span));
        }
        return text.ToString();
    }

    public string Signature() =>
        Exists ? Signature(new SpoolEntry(0, Queue, 0, 0, Due, Attempts, 0, Expire), _outcomes.Values) : "";

    private void Apply(LedgerChange change)
    {
        switch (change.Kind)
        {
            case LedgerKind.End:
                (Exists, Queue, Due) = (true, change.State, change.Due);
                break;
            case LedgerKind.Outcome:
                _outcomes[change.Outcome.Recipient] = change.Outcome;
                break;
            case LedgerKind.Reported:
                foreach (var recipient in change.Recipients!)
                {
                    if (_outcomes.TryGetValue(recipient, out var outcome))
                    {
                        _outcomes[recipient] = outcome with { Unreported = false };
                    }
                }
                break;
            case LedgerKind.Move:
                (Queue, Due) = (change.State, change.Due);
                Attempts += change.State == QueueState.Deferred ? 1 : 0;
                break;
            case LedgerKind.Expire:
                Expire = true;
                break;
            case LedgerKind.Delete:
                Exists = false;
                break;
        }
    }
}
