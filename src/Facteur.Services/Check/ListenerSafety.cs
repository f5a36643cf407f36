using Facteur.Config.MasterCf;

namespace Facteur.Services.Check;

/// <summary>Whether a stranger may relay: a client outside of mynetworks, without login and client certificate, with a recipient at another site.</summary>
public enum Relaying : byte
{
    /// <summary>Refused, whatever tables and servers answer.</summary>
    Closed = 0,

    /// <summary>Refused unless a table, a server or a setting says otherwise.</summary>
    Depends = 1,

    /// <summary>Taken: a session shows it.</summary>
    Open = 2,
}

/// <summary>What a listener does with strangers.</summary>
/// <param name="Entry">The smtpd of master.cf.</param>
/// <param name="Relaying">The verdict.</param>
/// <param name="Text">Why, with places "file:line".</param>
/// <param name="Serves">It serves at all: smtpd refuses to where nothing keeps strangers from relaying.</param>
public sealed record ListenerSafety(MasterEntry Entry, Relaying Relaying, string Text, bool Serves = true)
{
    /// <summary>The session, for Open: the client's address, then what it says, with the replies; empty else.</summary>
    public IReadOnlyList<string> Session { get; init; } = [];
}

/// <summary>What a stranger makes up in a session.</summary>
/// <param name="Helo">HELO; null: a name that is his.</param>
/// <param name="Sender">MAIL FROM; null: an address that is his.</param>
/// <param name="ReverseName">The name that his address has in his own DNS zone; null: one that leads back to it.</param>
/// <param name="Recipient">RCPT TO; null: somebody at another site.</param>
/// <param name="Claim">The arguments of XCLIENT; null: not said.</param>
internal sealed record Forgery(string? Helo = null, string? Sender = null, string? ReverseName = null, string? Recipient = null, string? Claim = null);

/// <summary>A way through a list of restrictions.</summary>
/// <param name="What">What opens it, with its place.</param>
/// <param name="Sure">A stranger has it in his own hands; else others decide: a table, a server, the owner of a name.</param>
/// <param name="Forgery">What he has to make up for it.</param>
internal sealed record Opening(string What, bool Sure, Forgery? Forgery = null);

/// <summary>What a list does with a stranger's mail to another site.</summary>
/// <param name="Openings">The ways on which it permits.</param>
/// <param name="Falls">Whether its end can be reached: what is not refused there is taken.</param>
internal sealed record Passage(IReadOnlyList<Opening> Openings, bool Falls)
{
    /// <summary>Refused, whatever happens.</summary>
    public bool IsClosed => !Falls && Openings.Count == 0;

    /// <summary>A stranger passes without anybody's help.</summary>
    public bool IsSure => Falls || Openings.Any(o => o.Sure);
}
