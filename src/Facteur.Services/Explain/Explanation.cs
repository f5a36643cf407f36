using System.Text;
using Facteur.Contracts;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Tables;

namespace Facteur.Services.Explain;

/// <summary>Who refused, and what it went by.</summary>
/// <param name="Restriction">The innermost restriction that refused.</param>
/// <param name="Table">The table that answered last before it refused, "type:name", or else "dns" where the DNS was asked; null when none did.</param>
/// <param name="Key">The key it found.</param>
/// <param name="Place">Where the answer stands, "file:line"; null where it has no line.</param>
/// <param name="Answer">What a server said: the DNS, a DNS list, a policy service, what is known of an address; null for a table's.</param>
public sealed record Decision(string Restriction, string? Table, string? Key, string? Place, string? Answer = null)
{
    /// <summary>
    /// check_sender_access, hash:/etc/senders "a@b" (/etc/senders:3), or reject_rbl_client, dns A "1.2.0.192.list.example": 127.0.0.2, or
    /// reject_unknown_sender_domain, dns: MX b.example: no such name; A b.example: no such name.
    /// </summary>
    public string Text =>
        $"{Restriction}{(Table is null ? "" : $", {Table}")}{(Key is null ? "" : $" \"{Key}\"")}{(Answer is null ? "" : $": {Explanation.Printable(Answer)}")}{(Place is null ? "" : $" ({Place})")}";
}

/// <summary>
/// What services say of themselves while they answer: steps in the order in which they happened, each inside of what it belongs to. A step is told
/// when it happened, by the code that did it; nothing is concluded afterwards.
/// </summary>
public sealed class Explanation : ITableObserver, IMailLog
{
    /// <summary>Longest text of one step: answers of tables may be of any length.</summary>
    private const int TextLimit = 1000;

    /// <summary>Steps kept: an address that goes in a circle makes thousands.</summary>
    private const int StepLimit = 20_000;

    /// <summary>Answers of the DNS that a decision names.</summary>
    private const int DnsLimit = 20;

    private readonly Lock _lock = new();
    private readonly StringBuilder _text = new();
    private readonly Dictionary<Deferral, Decision> _doubts = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<(Decision? Found, List<string> Dns)> _outer = new();

    // What answered last within the restriction that is asked, and what the DNS said there; outside of restrictions, of the client's names.
    private Decision? _found;
    private List<string> _dns = [];
    private List<string> _names = [];
    private int _depth;
    private int _steps;

    /// <summary>The steps so far, a line each, two blanks for each level.</summary>
    public string Text
    {
        get
        {
            lock (_lock)
            {
                return _text.ToString();
            }
        }
    }

    /// <summary>The last refusal.</summary>
    public Decision? Refusal { get; private set; }

    /// <summary>Something happened.</summary>
    public void Add(string text)
    {
        lock (_lock)
        {
            if (++_steps > StepLimit)
            {
                if (_steps == StepLimit + 1)
                {
                    _text.Append("... more steps are left out\n");
                }
                return;
            }
            _text.Append(' ', 2 * _depth).Append(Printable(text)).Append('\n');
        }
    }

    /// <summary>A text as it is printed: a terminal obeys control characters.</summary>
    internal static string Printable(string text)
    {
        var shown = text.Length > TextLimit ? text[..TextLimit] + "..." : text;
        return shown.Any(char.IsControl) ? string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c)) : shown;
    }

    /// <summary>Something begins: what follows belongs to it, up to <see cref="End"/>.</summary>
    public void Begin(string text)
    {
        Add(text);
        lock (_lock)
        {
            _depth++;
        }
    }

    /// <summary>It ended.</summary>
    public void End()
    {
        lock (_lock)
        {
            _depth--;
        }
    }

    /// <summary>A restriction is asked.</summary>
    internal void BeginRestriction(string name)
    {
        Begin(name);
        lock (_lock)
        {
            _names = _outer.Count == 0 ? _dns : _names;
            _outer.Push((_found, _dns));
            (_found, _dns) = (null, []);
        }
    }

    /// <summary>A restriction answered.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="verdict">"permit", "reject", or what else it said.</param>
    /// <param name="refused">It is a refusal.</param>
    /// <param name="doubts">What is in doubt now: defer_if_permit, defer_if_reject.</param>
    internal void EndRestriction(string name, string verdict, bool refused, params ReadOnlySpan<Deferral?> doubts)
    {
        Add($"= {verdict}");
        lock (_lock)
        {
            // The innermost one decided; those around it pass its answer on.
            var outer = _outer.Pop();
            var decision = _found is not null ? _found with { Restriction = name }
                : _dns.Count > 0 ? new Decision(name, "dns", null, null, string.Join("; ", _dns)) : new Decision(name, null, null, null);
            if (refused)
            {
                Refusal ??= decision;
            }
            foreach (var doubt in doubts)
            {
                if (doubt is not null)
                {
                    _doubts.TryAdd(doubt, decision);
                }
            }
            (_found, _dns) = outer;
            _depth--;
        }
    }

    /// <summary>What was left in doubt decides now.</summary>
    internal void RefuseBy(Deferral doubt)
    {
        lock (_lock)
        {
            Refusal ??= _doubts.GetValueOrDefault(doubt);
        }
        Add("what was left in doubt decides");
    }

    /// <summary>A server answered the restriction that is asked; tables that are looked at for the reply's words do not decide any more.</summary>
    /// <param name="who">Who answered: "dns A", "policy service inet:…".</param>
    /// <param name="key">What it was asked for; null where that has no short form.</param>
    /// <param name="answer">What it said.</param>
    internal void Answered(string who, string? key, string answer)
    {
        lock (_lock)
        {
            _found = new Decision("", who, key, null, answer);
        }
    }

    /// <summary>The DNS answered.</summary>
    /// <param name="text">What it was asked, and what it said.</param>
    internal void Told(string text)
    {
        Add($"dns {text}");
        lock (_lock)
        {
            if (_dns.Count < DnsLimit)
            {
                _dns.Add(text);
            }
        }
    }

    /// <summary>What the DNS said of the client's names counts for the restriction that is asked.</summary>
    internal void ByNames()
    {
        lock (_lock)
        {
            _dns = _names;
        }
    }

    /// <summary>A session begins.</summary>
    internal void BeginSession(string text)
    {
        Begin(text);
        lock (_lock)
        {
            (_dns, _names) = ([], []);
        }
        Forget();
    }

    /// <summary>A new question: what was decided before does not count for it.</summary>
    internal void Forget()
    {
        lock (_lock)
        {
            (Refusal, _found) = (null, null);
        }
    }

    void ITableObserver.OnLookup(string table, string key, Lookup lookup, string? place)
    {
        if (lookup.Status == LookupStatus.Found)
        {
            lock (_lock)
            {
                _found = _found is { Answer: not null } ? _found : new Decision("", table, key, place);
            }
        }
        Add($"{table} \"{key}\": {lookup.Status switch
        {
            LookupStatus.Found => $"\"{lookup.Value}\"{(place is null ? "" : $" ({place})")}",
            LookupStatus.NotFound => "not found",
            _ => $"error: {lookup.Value}",
        }}");
    }

    void ITableObserver.OnMatch(string parameter, string subject, LookupStatus status, string? element) =>
        Add($"{parameter} {subject}: {status switch
        {
            LookupStatus.Found => $"matches {element}",
            LookupStatus.NotFound => element is null ? "does not match" : $"is excluded by {element}",
            _ => $"error at {element}",
        }}");

    void IMailLog.Write(string tag, LogLevel level, string text) => Add($"log: {(level == LogLevel.Info ? "" : level switch
    {
        LogLevel.Warning => "warning: ",
        LogLevel.Error => "error: ",
        LogLevel.Fatal => "fatal: ",
        _ => "panic: ",
    })}{text}");
}
