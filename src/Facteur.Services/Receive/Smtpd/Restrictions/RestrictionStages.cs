using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// The stages of a session and their lists. With smtpd_delay_reject the client, HELO and sender stages are asked at each RCPT.
/// A temporary doubt of one stage (defer_if_permit) is kept for the later ones of the same recipient.
/// </summary>
internal sealed class RestrictionStages : IDisposable
{
    private static readonly Restriction UnlistedRecipient = new(SmtpdParameters.RejectUnlistedRecipient.Name, ListedAddresses.Recipient);
    private static readonly Restriction UnlistedSender = new(SmtpdParameters.RejectUnlistedSender.Name, ListedAddresses.Sender);

    private const string NewerReleases = "permit_mynetworks, permit_sasl_authenticated, permit_auth_destination";

    private readonly RestrictionList _client = RestrictionList.Empty;
    private readonly RestrictionList _helo = RestrictionList.Empty;
    private readonly RestrictionList _sender = RestrictionList.Empty;
    private readonly RestrictionList _relay = RestrictionList.Empty;
    private readonly RestrictionList _recipient = RestrictionList.Empty;
    private readonly RestrictionList _data = RestrictionList.Empty;
    private readonly RestrictionList _endOfData = RestrictionList.Empty;
    private readonly RestrictionList _etrn = RestrictionList.Empty;
    private readonly RestrictionList _localRewrite = RestrictionList.Empty;
    private readonly bool _relayFirst;
    private readonly bool _noRelay;
    private readonly bool _unlistedRecipient;
    private readonly bool _unlistedSender;
    private readonly RestrictionParser? _parser;

    private RestrictionStages()
    {
    }

    /// <summary>Parses all lists.</summary>
    public RestrictionStages(IConfig config, BackwardsDefaults backwards, SmtpdArrows arrows, SmtpdLog log, TimeProvider time)
    {
        var parser = new RestrictionParser(config, arrows, log, time);
        _parser = parser;
        RestrictionList List(StringParameter parameter, string? shortHand) => parser.Parse(config.Get(parameter), shortHand).Of(parameter.Name);
        _client = List(SmtpdParameters.ClientRestrictions, "check_client_access");
        _helo = List(SmtpdParameters.HeloRestrictions, "check_helo_access");
        _sender = List(SmtpdParameters.SenderRestrictions, "check_sender_access");
        _relay = backwards.NoRelayRestrictions ? parser.Parse(NewerReleases, null).Of(SmtpdParameters.RelayRestrictions.Name) : List(SmtpdParameters.RelayRestrictions, "check_recipient_access");
        _recipient = List(SmtpdParameters.RecipientRestrictions, "check_recipient_access");
        _data = List(SmtpdParameters.DataRestrictions, null);
        _endOfData = List(SmtpdParameters.EndOfDataRestrictions, null);
        _etrn = List(SmtpdParameters.EtrnRestrictions, "check_etrn_access");
        _localRewrite = LocalRewriteClients.Parse(config.Get(SmtpdParameters.LocalHeaderRewriteClients), arrows.Tables);
        // Postfix: what the list of newer releases would say is asked last, when it makes a difference.
        _noRelay = backwards.NoRelayRestrictions;
        _relayFirst = config.Get(SmtpdParameters.RelayBeforeRecipientRestrictions) && !_noRelay;
        _unlistedRecipient = config.Get(SmtpdParameters.RejectUnlistedRecipient);
        _unlistedSender = config.Get(SmtpdParameters.RejectUnlistedSender);
        IsUnprotected = !parser.StopsRelaying(config.Get(SmtpdParameters.RelayRestrictions)) && !parser.StopsRelaying(config.Get(SmtpdParameters.RecipientRestrictions));
    }

    /// <summary>The lists that a session meets, in order; HELO's is met only by who says HELO.</summary>
    public IReadOnlyList<RestrictionList> Lists => [_client, _helo, _sender, .. _relayFirst ? (RestrictionList[])[_relay, _recipient] : [_recipient, _noRelay ? RestrictionList.Empty : _relay], _data, _endOfData];

    /// <summary>All lists, what is no restriction and the classes, too: for those who look for mistakes.</summary>
    public IEnumerable<RestrictionList> Written => [.. Lists, _etrn, _localRewrite, .. _parser?.Classes.Select(c => c.List.Of(c.Name)) ?? []];

    /// <summary>Nothing keeps strangers from relaying: the service must not serve.</summary>
    public bool IsUnprotected { get; }

    public void Dispose() => _parser?.Dispose();

    /// <summary>All lists empty, and nothing refused for it.</summary>
    public static RestrictionStages None { get; } = new();

    public async ValueTask<Verdict> ClientAsync(RestrictionContext context)
    {
        context.Begin(null);
        var verdict = await _client.CheckAsync(context, new Subject(context.Client.Printable, Subject.ClientHost)).ConfigureAwait(false);
        context.ClientDoubt = context.DeferIfPermit;
        return verdict;
    }

    public async ValueTask<Verdict> HeloAsync(RestrictionContext context)
    {
        context.Begin(context.ClientDoubt);
        var verdict = context.Helo is { } helo
            ? await _helo.CheckAsync(context, new Subject(helo, Subject.HeloCommand)).ConfigureAwait(false)
            : Verdict.Dunno;
        context.HeloDoubt = context.DeferIfPermit;
        return verdict;
    }

    public async ValueTask<Verdict> SenderAsync(RestrictionContext context)
    {
        if (context.Sender is null)
        {
            // VRFY before MAIL.
            return Verdict.Dunno;
        }
        context.Begin(context.HeloDoubt ?? context.ClientDoubt);
        context.SenderMapsChecked = false;
        var verdict = await _sender.CheckAsync(context, Subject.OfSender(context.Sender)).ConfigureAwait(false);
        context.SenderDoubt = context.DeferIfPermit;
        return verdict != Verdict.Reject && _unlistedSender && !context.Effects.Discard
            ? await RestrictionList.ExplainAsync(context, UnlistedSender, default).ConfigureAwait(false)
            : verdict;
    }

    /// <summary>RCPT and VRFY: the delayed stages, relay and recipient restrictions, then whether the recipient exists.</summary>
    public async ValueTask<Verdict> RecipientAsync(RestrictionContext context)
    {
        // RFC 5321 4.5.1: the postmaster is always accepted.
        if (context.Recipient!.Equals("postmaster", StringComparison.OrdinalIgnoreCase))
        {
            return Verdict.Ok;
        }
        context.RecipientMapsChecked = false;
        if (context.Settings.DelayReject && await DelayedAsync(context).ConfigureAwait(false) == Verdict.Reject)
        {
            return Verdict.Reject;
        }
        var subject = Subject.OfRecipient(context.Recipient);
        // Once for both lists: what the first keeps for later holds in the second.
        context.Begin(context.SenderDoubt);
        if (await (_relayFirst ? _relay : _recipient).CheckAsync(context, subject).ConfigureAwait(false) == Verdict.Reject)
        {
            if (context.Settings.Backwards.RecipientsFirst)
            {
                context.Log.ByBackwardsDefault(
                    $"{SmtpdParameters.RelayBeforeRecipientRestrictions.Name}=no", $"reject recipient \"{AddressParts.Unquote(context.Recipient)}\" from client \"{context.Client.Printable}\"");
            }
            return Verdict.Reject;
        }
        var second = await (_relayFirst ? _recipient : _relay).CheckAsync(context, subject).ConfigureAwait(false);
        if (second == Verdict.Dunno && _noRelay)
        {
            // What was asked is what permits in the list of newer releases; nothing of it refuses.
            context.Log.ByBackwardsDefault(
                $"\"{SmtpdParameters.RelayRestrictions.Name} = (empty)\"",
                $"avoid \"Relay access denied\" error for recipient \"{AddressParts.Unquote(context.Recipient)}\" from client \"{context.Client.Printable}\"");
        }
        if (second == Verdict.Reject || Doubt(context) == Verdict.Reject)
        {
            return Verdict.Reject;
        }
        return _unlistedRecipient && !context.Effects.Discard ? await RestrictionList.ExplainAsync(context, UnlistedRecipient, default).ConfigureAwait(false) : Verdict.Ok;
    }

    public async ValueTask<Verdict> EtrnAsync(RestrictionContext context)
    {
        if (context.Settings.DelayReject)
        {
            if (await ClientAsync(context).ConfigureAwait(false) == Verdict.Reject || await HeloAsync(context).ConfigureAwait(false) == Verdict.Reject)
            {
                return Verdict.Reject;
            }
        }
        context.Begin(context.HeloDoubt ?? context.ClientDoubt);
        var verdict = await _etrn.CheckAsync(context, new Subject(context.EtrnDomain ?? "", Subject.EtrnCommand)).ConfigureAwait(false);
        return verdict == Verdict.Reject ? verdict : Doubt(context);
    }

    // Postfix: replies say DATA at BDAT, too.
    public ValueTask<Verdict> DataAsync(RestrictionContext context) => AfterRecipientsAsync(context, _data, new Subject("DATA", Subject.DataCommand));

    public ValueTask<Verdict> EndOfDataAsync(RestrictionContext context) =>
        AfterRecipientsAsync(context, _endOfData, new Subject(context.Where, Subject.EndOfData));

    /// <summary>Whether the client's mail is completed as local mail (local_header_rewrite_clients): Ok; Dunno when not, Reject when it can't be said now.</summary>
    public ValueTask<Verdict> RewritesAsLocalAsync(RestrictionContext context)
    {
        context.Begin(null);
        return LocalRewriteClients.CheckAsync(_localRewrite, context);
    }

    private async ValueTask<Verdict> DelayedAsync(RestrictionContext context)
    {
        return await ClientAsync(context).ConfigureAwait(false) == Verdict.Reject
            || await HeloAsync(context).ConfigureAwait(false) == Verdict.Reject
            || await SenderAsync(context).ConfigureAwait(false) == Verdict.Reject
            ? Verdict.Reject
            : Verdict.Dunno;
    }

    // With several recipients none is named: the decision is about all of them.
    private static async ValueTask<Verdict> AfterRecipientsAsync(RestrictionContext context, RestrictionList list, Subject subject)
    {
        if (list.IsEmpty)
        {
            return Verdict.Dunno;
        }
        context.Begin(null);
        var only = context.Recipient;
        context.Recipient = context.RecipientCount > 1 ? null : only;
        var verdict = await list.CheckAsync(context, subject).ConfigureAwait(false);
        verdict = verdict == Verdict.Reject ? verdict : Doubt(context);
        context.Recipient = only;
        return verdict;
    }

    private static Verdict Doubt(RestrictionContext context)
    {
        if (context.DeferIfPermit is not { } doubt)
        {
            return Verdict.Dunno;
        }
        context.Arrows.Explanation?.RefuseBy(doubt);
        return context.Reject(doubt.Code, doubt.Dsn, doubt.Text);
    }
}
