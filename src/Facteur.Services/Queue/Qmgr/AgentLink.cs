using System.IO.Pipelines;
using Facteur.Contracts;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>
/// The queue's end of the arrow to one role of delivery agents, which comes and goes. Agents that leave end what they were given while others
/// take what is new. Requests without a result whose agents are gone are made again of the next ones; a request during which several of them
/// died is given up, for it may be the cause. Called on the engine's thread.
/// </summary>
internal sealed class AgentLink(Qmgr qmgr, Action bell)
{
    /// <summary>Results that are told as written in one go; at once to agents that end.</summary>
    private const int ToldAtOnce = 128;

    /// <summary>Times a request is sent.</summary>
    private const int Tries = 3;

    /// <summary>Agents that leave, at a time; beyond it the oldest are taken for gone.</summary>
    private const int LeavingLimit = 8;

    private readonly Dictionary<ulong, Request> _requests = [];
    private readonly List<Agents> _leaving = [];
    private Agents? _now;

    /// <summary>Requests without a result.</summary>
    public int UnderWay => _requests.Count;

    /// <summary>It is known what goes on for an earlier queue.</summary>
    public bool Ready => _now is { Client.Ready: true } && _leaving.TrueForAll(static agents => agents.Client.Ready || agents.Client.Closed);

    /// <summary>There are agents that have not yet said what goes on for an earlier queue.</summary>
    public bool Silent => _now is { Client: { Ready: false, Closed: false } } || _leaving.Exists(static agents => agents.Client is { Ready: false, Closed: false });

    /// <summary>Agents came. Those before are gone, or leave: their link ends when they are done.</summary>
    public void Attach(IDuplexPipe link)
    {
        if (_now is { } before)
        {
            // What they had still said counts: those deliveries are not made again.
            before.Poll(int.MaxValue);
            _leaving.Add(before);
        }
        _now = new Agents(qmgr, this, link, bell);
        while (_leaving.Count > LeavingLimit)
        {
            _leaving[0].Client.Close();
            Lost(_leaving[0]);
            _leaving.RemoveAt(0);
        }
        EndLeft();
        SendAgain();
        _now.Client.Flush();
    }

    /// <summary>Sends a request with the next flush, or when agents come.</summary>
    public void Send(DeliveryRequest request)
    {
        var to = _now is { Client.Closed: false } ? _now : null;
        _requests[request.RequestId] = new Request(request, to is null ? 0 : 1, to);
        to?.Client.Send(request);
    }

    /// <summary>Takes in at most so many results.</summary>
    /// <returns>Whether there was something.</returns>
    public bool Poll(int limit)
    {
        var any = false;
        if (_leaving.Count > 0)
        {
            foreach (var agents in _leaving)
            {
                any |= agents.Poll(limit);
            }
            if (EndLeft())
            {
                SendAgain();
            }
        }
        any |= _now?.Poll(limit) == true;
        if (_now is { Client.Closed: true })
        {
            Lost(_now);
        }
        return any;
    }

    /// <summary>What was staged is written: the agents may forget these results.</summary>
    public void Written(IReadOnlyList<ElsewhereDelivery> elsewhere)
    {
        foreach (var agents in _leaving)
        {
            agents.Written(elsewhere, ends: true);
        }
        _now?.Written(elsewhere, qmgr.Stopping);
    }

    /// <summary>Sends what was written.</summary>
    public void Flush()
    {
        foreach (var agents in _leaving)
        {
            agents.Client.Flush();
        }
        _now?.Client.Flush();
    }

    private bool EndLeft()
    {
        var any = false;
        for (var i = _leaving.Count - 1; i >= 0; i--)
        {
            if (_leaving[i].Client.Closed)
            {
                Lost(_leaving[i]);
                _leaving.RemoveAt(i);
                any = true;
            }
        }
        return any;
    }

    // What went on for an earlier queue died with the agents; what they were asked waits for others.
    private void Lost(Agents gone)
    {
        if (gone.IsLost)
        {
            return;
        }
        gone.Lost();
        foreach (var (number, request) in _requests.Where(r => r.Value.To == gone).ToArray())
        {
            _requests[number] = request with { To = null };
        }
    }

    private void SendAgain()
    {
        if (_now is not { Client.Closed: false })
        {
            return;
        }
        var again = 0;
        foreach (var (number, request) in _requests.Where(static r => r.Value.To is null).ToArray())
        {
            if (request.Sent >= Tries)
            {
                _requests.Remove(number);
                qmgr.Interrupted([number]);
                continue;
            }
            _requests[number] = new Request(request.Asked, request.Sent + 1, _now);
            again += request.Sent > 0 ? 1 : 0;
            _now.Client.Send(request.Asked);
        }
        if (again > 0)
        {
            qmgr.MadeAgain(again);
        }
    }

    /// <summary>A request without a result: how often it was sent, and to whom last; null while nobody has it.</summary>
    private readonly record struct Request(DeliveryRequest Asked, int Sent, Agents? To);

    /// <summary>One process of agents: it numbers what it does for earlier queues by itself.</summary>
    private sealed class Agents : IDeliverySink
    {
        private readonly Qmgr _qmgr;
        private readonly AgentLink _owner;
        private readonly Dictionary<ulong, ElsewhereDelivery> _elsewhere = [];
        private readonly List<ulong> _staged = [];
        private bool _any;

        public Agents(Qmgr qmgr, AgentLink owner, IDuplexPipe link, Action bell) => (_qmgr, _owner, Client) = (qmgr, owner, new DeliveryClient(link, bell));

        public DeliveryClient Client { get; }

        /// <summary>They are gone, and what they had is given back.</summary>
        public bool IsLost { get; private set; }

        public bool Poll(int limit)
        {
            _any = false;
            for (var left = limit; left > 0 && Client.Poll(this); left--)
            {
            }
            return _any;
        }

        public void Written(IReadOnlyList<ElsewhereDelivery> elsewhere, bool ends)
        {
            foreach (var delivery in elsewhere)
            {
                // Each process counts its own: another one's delivery may have the same number here.
                if (_elsewhere.TryGetValue(delivery.Number, out var own) && ReferenceEquals(own, delivery))
                {
                    _elsewhere.Remove(delivery.Number);
                    _staged.Add(delivery.Number);
                }
            }
            // Not each time: agents that know of a result a little longer cost nothing.
            if (_staged.Count >= (ends ? 1 : ToldAtOnce))
            {
                Client.Recorded(_staged);
                _staged.Clear();
            }
        }

        public void Lost()
        {
            IsLost = true;
            foreach (var delivery in _elsewhere.Values.Where(d => d.Result is null).ToArray())
            {
                _qmgr.EndedElsewhere(delivery, null);
            }
            _elsewhere.Clear();
            _staged.Clear();
        }

        void IDeliverySink.Result(DeliveryResult result)
        {
            _any = true;
            _owner._requests.Remove(result.RequestId);
            _staged.Add(result.RequestId);
            _qmgr.Finished(result);
        }

        void IDeliverySink.UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients)
        {
            _any = true;
            var delivery = new ElsewhereDelivery(number, messageId, recipients);
            if (_elsewhere.TryAdd(number, delivery))
            {
                _qmgr.Elsewhere(delivery);
            }
        }

        void IDeliverySink.Replayed(DeliveryResult result)
        {
            _any = true;
            if (_elsewhere.TryGetValue(result.RequestId, out var delivery))
            {
                _qmgr.EndedElsewhere(delivery, result);
            }
        }
    }
}
