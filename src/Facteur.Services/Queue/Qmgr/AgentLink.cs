using System.IO.Pipelines;
using Facteur.Contracts;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>
/// The queue's end of the arrow to one role of delivery agents, which comes and goes. Requests without a result are made again of the
/// next one; a request during which several of them died is given up, for it may be the cause. Called on the engine's thread.
/// </summary>
internal sealed class AgentLink(Qmgr qmgr, Action bell) : IDeliverySink
{
    /// <summary>Results that are told as written in one go.</summary>
    private const int ToldAtOnce = 128;

    /// <summary>Times a request is sent.</summary>
    private const int Tries = 3;

    private readonly Dictionary<ulong, (DeliveryRequest Request, int Sent)> _requests = [];
    private readonly Dictionary<ulong, ElsewhereDelivery> _elsewhere = [];
    private readonly List<ulong> _staged = [];
    private DeliveryClient? _client;
    private bool _any;

    /// <summary>Requests without a result.</summary>
    public int UnderWay => _requests.Count;

    /// <summary>It is known what goes on for an earlier queue.</summary>
    public bool Ready => _client is { Ready: true };

    /// <summary>Agents came; those before are gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        // What they had still said counts: those deliveries are not made again. The end of the link bounds it.
        while (_client?.Poll(this) == true)
        {
        }
        _client?.Close();
        Lost();
        _client = new DeliveryClient(link, bell);
        var again = 0;
        foreach (var (number, (request, sent)) in _requests.ToArray())
        {
            if (sent >= Tries)
            {
                _requests.Remove(number);
                qmgr.Interrupted([number]);
                continue;
            }
            _requests[number] = (request, sent + 1);
            again += sent > 0 ? 1 : 0;
            _client.Send(request);
        }
        if (again > 0)
        {
            qmgr.MadeAgain(again);
        }
        _client.Flush();
    }

    /// <summary>Sends a request with the next flush, or when agents come.</summary>
    public void Send(DeliveryRequest request)
    {
        var there = _client is { Closed: false };
        _requests[request.RequestId] = (request, there ? 1 : 0);
        if (there)
        {
            _client!.Send(request);
        }
    }

    /// <summary>Takes in at most so many results.</summary>
    /// <returns>Whether there was something.</returns>
    public bool Poll(int limit)
    {
        _any = false;
        for (var left = limit; left > 0 && _client?.Poll(this) == true; left--)
        {
        }
        if (_client is { Closed: true })
        {
            Lost();
        }
        return _any;
    }

    /// <summary>What was staged is written: the agents may forget these results.</summary>
    public void Written(IReadOnlyList<ElsewhereDelivery> elsewhere)
    {
        foreach (var delivery in elsewhere)
        {
            // Each role counts its own: another one's delivery may have the same number here.
            if (_elsewhere.TryGetValue(delivery.Number, out var own) && ReferenceEquals(own, delivery))
            {
                _elsewhere.Remove(delivery.Number);
                _staged.Add(delivery.Number);
            }
        }
        // Not each time: agents that know of a result a little longer cost nothing.
        if (_staged.Count >= ToldAtOnce)
        {
            _client?.Recorded(_staged);
            _staged.Clear();
        }
    }

    /// <summary>Sends what was written.</summary>
    public void Flush() => _client?.Flush();

    void IDeliverySink.Result(DeliveryResult result)
    {
        _any = true;
        _requests.Remove(result.RequestId);
        _staged.Add(result.RequestId);
        qmgr.Finished(result);
    }

    void IDeliverySink.UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients)
    {
        _any = true;
        var delivery = new ElsewhereDelivery(number, messageId, recipients);
        if (_elsewhere.TryAdd(number, delivery))
        {
            qmgr.Elsewhere(delivery);
        }
    }

    void IDeliverySink.Replayed(DeliveryResult result)
    {
        _any = true;
        if (_elsewhere.TryGetValue(result.RequestId, out var delivery))
        {
            qmgr.EndedElsewhere(delivery, result);
        }
    }

    // What went on for an earlier queue died with the agents.
    private void Lost()
    {
        foreach (var delivery in _elsewhere.Values.Where(d => d.Result is null).ToArray())
        {
            qmgr.EndedElsewhere(delivery, null);
        }
        _elsewhere.Clear();
        _staged.Clear();
    }
}
