using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>What a restriction says.</summary>
internal enum Verdict : byte
{
    /// <summary>Nothing: the next one decides.</summary>
    Dunno = 0,

    /// <summary>Permit: the rest of this list is not asked.</summary>
    Ok = 1,

    /// <summary>Refuse with the context's reply.</summary>
    Reject = 2,
}

/// <summary>What a list of restrictions is about, as replies name it.</summary>
/// <param name="Name">The thing: an address, a host name, a command.</param>
/// <param name="Class">Its kind: "Sender address", "Client host" and so on.</param>
internal readonly record struct Subject(string Name, string Class)
{
    public const string ClientHost = "Client host";
    public const string UnverifiedClientHost = "Unverified Client host";
    public const string HeloCommand = "Helo command";
    public const string SenderAddress = "Sender address";
    public const string RecipientAddress = "Recipient address";
    public const string LoginName = "SASL login name";
    public const string EtrnCommand = "Etrn command";
    public const string DataCommand = "Data command";
    public const string EndOfData = "End-of-data";

    /// <summary>A sender. Postfix: replies and policy services see addresses without quotes, logs with them.</summary>
    public static Subject OfSender(string address) => new(AddressParts.Unquote(address), SenderAddress);

    /// <summary>A recipient, as <see cref="OfSender"/> has a sender.</summary>
    public static Subject OfRecipient(string address) => new(AddressParts.Unquote(address), RecipientAddress);
}

/// <summary>A refusal kept for later: defer_if_permit, defer_if_reject.</summary>
internal sealed record Deferral(int Code, string Dsn, string Text);

/// <summary>A restriction, made once per configuration.</summary>
/// <param name="Name">Its name as the administrator wrote it.</param>
/// <param name="CheckAsync">Decides.</param>
internal sealed record Restriction(string Name, Func<RestrictionContext, Subject, ValueTask<Verdict>> CheckAsync)
{
    /// <summary>The table or policy service that it asks; "" when none.</summary>
    public string Argument { get; init; } = "";

    /// <summary>The list that a restriction class stands for; null when it is none.</summary>
    public Func<RestrictionList>? Class { get; init; }

    /// <summary>The list that an entry of its table stands for, null when that names a table; null where it has no table.</summary>
    public Func<string, RestrictionList?>? Entry { get; init; }

    /// <summary>What it asks only to warn (warn_if_reject); null when it is not that.</summary>
    public Restriction? Warned { get; init; }

    /// <summary>What is wrong with how it is written, so that it refuses everybody; null when nothing is.</summary>
    public string? Wrong { get; init; }

    /// <summary>Why it decides nothing, a warning each.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>It is written wrong and refuses everybody.</summary>
    public bool IsBroken => Wrong is not null;
}
