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
            message.Claimed &= !message.Log[message.Written..].Any(c => c.Kind == LedgerKind.Move);
            message.Written = message.Log.Count;
            if (durable)
            {
                message.Durable = message.Log.Count;
            }
            if (durable && wrote)
            {
                message.Optional.Clear();
            }
            message.Forget();
        }
        Version++;
    }

    /// <summary>New messages and the marks they set are gone, all else stays staged.</summary>
    /// <param name="optional">A part of the batch may still be seen after a crash.</param>
    /// <returns>Whether anything stays staged.</returns>
    public bool Refused(bool optional)
    {
        var kept = false;
        foreach (var message in Messages.Values)
        {
            if (message.Log.Count > message.Written)
            {
                if (optional)
                {
                    message.Optional.Add([.. message.Log]);
                }
                if (message.Log[message.Written].Kind == LedgerKind.End)
                {
                    message.Log.Clear();
                    message.Dead = true;
                }
                message.Log.RemoveAll(c => c.ByEnd && message.Log.IndexOf(c) >= message.Written);
                kept |= message.Log.Count > message.Written;
            }
            message.Forget();
        }
        Version++;
        return kept;
    }
}

internal sealed class LedgerMessage(ulong id)
{
    private List<string>? _acceptable;

    public ulong Id => id;

    public List<byte> Content { get; } = [];

    public Envelope Envelope { get; set; } = new();

    public List<LedgerChange> Log { get; } = [];

    /// <summary>Logs as they would be had a refused commit happened.</summary>
    public List<List<LedgerChange>> Optional { get; } = [];

    public int Written { get; set; }

    public int Durable { get; set; }

    /// <summary>Aborted or refused: no more changes.</summary>
    public bool Dead { get; set; }

    /// <summary>In the active queue: a move not in effect yet has not ended that.</summary>
    public bool Claimed { get; set; }

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
        // A commit under way may have been refused, and what stays of it written without the marks of new messages.
        List<LedgerChange> rest = [.. Log[..Written], .. Log[Written..].Where(c => !c.ByEnd)];
        foreach (var refused in Optional.Append(rest))
        {
            for (var k = Durable; k <= refused.Count; k++)
            {
                all.Add(LedgerState.After(refused, k).Signature());
            }
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

internal sealed record LedgerChange(LedgerKind Kind, QueueState State = 0, long Due = 0, SpoolOutcome Outcome = default, IReadOnlyList<int>? Recipients = null, bool ByEnd = false)
{
    public bool Equals(LedgerChange? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

internal sealed class LedgerState
{
    private readonly SortedDictionary<int, SpoolOutcome> _outcomes = [];

    public bool Exists { get; private set; }

    public QueueState Queue { get; private set; }

    public IEnumerable<SpoolOutcome> Outcomes => _outcomes.Values;

    public long Due { get; private set; }

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
