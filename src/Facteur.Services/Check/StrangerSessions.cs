using System.Net;
using Facteur.Config.MasterCf;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Services.Explain;
using Facteur.Services.Receive.Smtpd;

namespace Facteur.Services.Check;

/// <summary>Sessions of a stranger with the services themselves.</summary>
internal sealed class StrangerSessions(Explainer explainer, StrangerDns dns)
{
    /// <summary>The stranger's own domain, and another site.</summary>
    public const string OwnDomain = "stranger.example", ForeignDomain = "elsewhere.example";

    private const int SessionLimit = 60;

    /// <summary>Sites that are nobody's, below several domains of the top.</summary>
    public IReadOnlyList<string> ForeignDomains { get; private set; } =
    [
        ForeignDomain, .. "com net org de uk co.uk fr it nl es pl ru cn jp br in au eu us info biz io".Split(' ').Select(Below),
    ];

    /// <summary>A site that is nobody's below a domain.</summary>
    public static string Below(string top) => $"elsewhere-1.{top}";

    /// <summary>Has such sites below more domains.</summary>
    public void Add(IEnumerable<string> tops) => ForeignDomains = [.. ForeignDomains.Union(tops.Select(Below), StringComparer.OrdinalIgnoreCase)];

    /// <summary>Tries what a stranger may say.</summary>
    /// <param name="client">His address.</param>
    /// <param name="recipients">Recipients at other sites, as he may write them.</param>
    /// <param name="openings">Ways through the lists, for what has to be made up for them.</param>
    /// <param name="claims">He may say XCLIENT.</param>
    /// <param name="cancel">The end of patience.</param>
    /// <returns>The first session in which mail for another site is taken; empty when there is none.</returns>
    public async Task<IReadOnlyList<string>> FindAsync(IPAddress client, List<string> recipients, IEnumerable<Opening> openings, bool claims, CancellationToken cancel)
    {
        var forgeries = new List<Forgery> { new(), new(Sender: "") };
        forgeries.AddRange(openings.OrderByDescending(o => o.Sure).Select(o => o.Forgery).OfType<Forgery>().Distinct());
        if (claims)
        {
            forgeries.Insert(0, new Forgery(Claim: "ADDR=127.0.0.1 NAME=localhost"));
        }
        // What is most likely first: who he may be, with the recipient as people write it.
        var tries = forgeries.SelectMany(f => (f.Recipient is { } one ? [one] : recipients).Select((recipient, i) => (Forgery: f, Recipient: recipient, Turn: i))).OrderBy(t => t.Turn);
        foreach (var (forgery, recipient, _) in tries.Take(SessionLimit))
        {
            try
            {
                if (await SessionAsync(client, forgery, recipient, cancel).ConfigureAwait(false) is { } session)
                {
                    return session;
                }
            }
            catch (OperationCanceledException)
            {
                return [];
            }
        }
        return [];
    }

    // Mail for what counts as ours ends here, unless its transport goes to the recipient's own site after all (virtual_transport = smtp).
    private bool Leaves(Resolution route, ReadOnlySpan<char> domain)
    {
        const ResolveFlags Here = ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox;
        if ((route.Flags & (ResolveFlags.Fail | ResolveFlags.Error)) != 0 || route.Transport is "error" or "retry" or "discard")
        {
            return false;
        }
        return (route.Flags & Here) == 0
            || (explainer.Generation.Entries.FirstOrDefault(e => e.Name == route.Transport && e.Type == ServiceType.Unix) is { Command: "smtp" or "lmtp" }
                && domain.Equals(route.Nexthop, StringComparison.OrdinalIgnoreCase));
    }

    private async Task<IReadOnlyList<string>?> SessionAsync(IPAddress client, Forgery forgery, string recipient, CancellationToken cancel)
    {
        var name = forgery.ReverseName ?? $"mail.{OwnDomain}";
        var helo = forgery.Helo ?? $"mail.{OwnDomain}";
        var sender = forgery.Sender ?? $"someone@{OwnDomain}";
        dns.Set(client, name == ClientFacts.Unknown ? "" : name, [OwnDomain, $"mail.{OwnDomain}", helo, AddressParts.Domain(sender).ToString(), .. ForeignDomains]);
        var question = new SessionQuestion(client, null, helo, sender, [recipient], "") { Claim = forgery.Claim };
        var answer = await explainer.SessionAsync(question, cancel).ConfigureAwait(false);
        if (answer.Reply is not ['2', ..] || explainer.Taken is not { } taken)
        {
            return null;
        }
        foreach (var address in taken.Recipients.Select(r => r.Address).Where(a => ForeignDomains.Contains(AddressParts.Domain(a).ToString())))
        {
            var route = await explainer.Generation.Rewrite.ResolveAsync(taken.Sender, address, cancel).ConfigureAwait(false);
            if (Leaves(route, AddressParts.Domain(address)))
            {
                return
                [
                    $"client {client}{(forgery.ReverseName is null ? "" : $" (named {name} by its own zone)")}", $"EHLO {helo}", .. forgery.Claim is null ? (string[])[] : [$"XCLIENT {forgery.Claim}"], $"MAIL FROM:<{sender}>", $"RCPT TO:<{recipient}>",
                    $"reply {explainer.Answers.First(a => a.IsRecipient).Reply}",
                ];
            }
        }
        return null;
    }
}
