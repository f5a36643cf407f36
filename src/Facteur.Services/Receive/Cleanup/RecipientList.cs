using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Makes the envelope's recipients from those that were given: rewriting, canonical maps, bcc, virtual aliases, duplicates.</summary>
internal sealed class RecipientList(CleanupOptions options, AddressMapper mapper, VirtualAliases aliases)
{
    private readonly List<EnvelopeRecipient> _recipients = [];
    private readonly List<EnvelopeRecipient> _expanded = [];
    private HashSet<EnvelopeRecipient>? _seen;

    /// <summary>The recipients so far.</summary>
    public IReadOnlyList<EnvelopeRecipient> Recipients => _recipients;

    /// <summary>The recipients, and behind them the aliases of whose expansion the sender is told.</summary>
    public IReadOnlyList<EnvelopeRecipient> WithExpanded => _expanded.Count == 0 ? _recipients : [.. _recipients, .. _expanded];

    /// <summary>What verify is told of an alias for several.</summary>
    public const string SeveralText = "aliased to multiple recipients";

    /// <summary>The message is a probe of an address.</summary>
    public bool IsProbe { get; init; }

    /// <summary>The message came by SMTP.</summary>
    public bool FromNetwork { get; init; }

    /// <summary>The probed address stands for several, which says enough: none of them is probed.</summary>
    public bool HasSeveralForProbe { get; private set; }

    /// <summary>Automatic bcc recipients are made.</summary>
    public bool Bcc { get; init; }

    /// <summary>Virtual alias expansion failed: the message is not accepted.</summary>
    public bool ExpansionFailed { get; private set; }

    /// <summary>Adds the copy that sender_bcc_maps asks for.</summary>
    public async ValueTask AddSenderBccAsync(string sender, CancellationToken cancel)
    {
        if (Bcc && sender.Length > 0 && !options.SenderBcc.IsEmpty && await mapper.BccAsync(options.SenderBcc, sender, cancel).ConfigureAwait(false) is { } bcc)
        {
            await AddBccAsync(bcc, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Adds the copy that always_bcc asks for, when there is anyone to copy.</summary>
    public async ValueTask AddAlwaysBccAsync(CancellationToken cancel)
    {
        if (Bcc && options.AlwaysBcc.Length > 0 && _recipients.Count > 0)
        {
            await AddBccAsync(options.AlwaysBcc, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Adds a recipient as its sender wrote it.</summary>
    public async ValueTask AddAsync(EnvelopeRecipient given, CancellationToken cancel)
    {
        if (given.IsExpanded)
        {
            // Requeued before it was reported.
            _expanded.Add(given);
            return;
        }
        var address = await StandardAsync(given.Address.Length > 0 ? given.Address : options.EmptyAddressRecipient, cancel).ConfigureAwait(false);
        var original = given.OriginalAddress.Length > 0 ? given.OriginalAddress : given.Address.Length > 0 ? given.Address : address;
        await ExpandAsync(
            new EnvelopeRecipient(
                address,
                original,
                // Postfix: of mail that came by SMTP without ORCPT as it was given, before any table, and the type stays rfc822.
                given.DsnOriginalRecipient.Length > 0 ? given.DsnOriginalRecipient : FromNetwork ? $"rfc822;{original}" : $"{(Ascii.IsValid(address) || !options.Smtputf8 ? "rfc822" : "utf-8")};{address}",
                given.Notify),
            cancel).ConfigureAwait(false);
        if (Bcc && !options.RecipientBcc.IsEmpty && await mapper.BccAsync(options.RecipientBcc, address, cancel).ConfigureAwait(false) is { } bcc)
        {
            await AddBccAsync(bcc, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Adds a copy. Nobody asked for reports about it, and the sender may not learn of it (RFC 3461 5.1 (d)).</summary>
    public async ValueTask AddBccAsync(string bcc, CancellationToken cancel)
    {
        var address = await StandardAsync(bcc, cancel).ConfigureAwait(false);
        await ExpandAsync(new EnvelopeRecipient(address, address, "", DsnNotify.Never), cancel).ConfigureAwait(false);
    }

    /// <summary>A recipient's address as it is logged and looked up: complete, and mapped by the canonical tables.</summary>
    public async ValueTask<string> StandardAsync(string address, CancellationToken cancel)
    {
        if (!AddressList.IsQualified(address))
        {
            address = await mapper.RewriteAsync(local: true, address, cancel).ConfigureAwait(false);
        }
        return await mapper.MapAsync(address, AddressClasses.EnvelopeRecipient, cancel).ConfigureAwait(false);
    }

    private async ValueTask ExpandAsync(EnvelopeRecipient recipient, CancellationToken cancel)
    {
        if (!mapper.Mapping || options.VirtualAliases.IsEmpty)
        {
            Add(recipient);
            return;
        }
        if (await aliases.ExpandAsync(recipient.Address, cancel).ConfigureAwait(false) is not { } expanded)
        {
            ExpansionFailed = true;
            return;
        }
        if (expanded.Count > 1 && IsProbe)
        {
            HasSeveralForProbe = true;
            return;
        }
        if (recipient.Notify.HasFlag(DsnNotify.Success) && (expanded.Count != 1 || expanded[0] != recipient.Address))
        {
            // RFC 3461 5.2.7.2: answered here. Postfix: an alias for one is as one for several.
            _expanded.Add(recipient with { Notify = DsnNotify.Success | DsnNotify.Expanded });
            var rest = recipient.Notify & ~DsnNotify.Success;
            recipient = recipient with { Notify = rest == DsnNotify.None ? DsnNotify.Never : rest };
        }
        foreach (var address in expanded)
        {
            Add(recipient with { Address = address });
        }
    }

    private void Add(EnvelopeRecipient recipient)
    {
        if (_recipients.Count > 0)
        {
            _seen ??= new HashSet<EnvelopeRecipient>(_recipients, options.OriginalRecipients ? SameRecipient.Instance : SameAddress.Instance);
            if (_seen.Contains(recipient))
            {
                return;
            }
            if (options.DuplicateFilterLimit == 0 || _seen.Count < options.DuplicateFilterLimit)
            {
                _seen.Add(recipient);
            }
        }
        _recipients.Add(recipient);
    }

    // Originals that differ are not duplicates: the recipient tells by X-Original-To what a copy was sent to.
    private sealed class SameRecipient : IEqualityComparer<EnvelopeRecipient>
    {
        public static readonly SameRecipient Instance = new();

        public bool Equals(EnvelopeRecipient? x, EnvelopeRecipient? y) =>
            x is not null && y is not null && x.Notify == y.Notify && SameAddress.Instance.Equals(x, y)
            && x.OriginalAddress.Equals(y.OriginalAddress, StringComparison.OrdinalIgnoreCase)
            && x.DsnOriginalRecipient.Equals(y.DsnOriginalRecipient, StringComparison.OrdinalIgnoreCase);

        public int GetHashCode(EnvelopeRecipient obj) =>
            HashCode.Combine(SameAddress.Instance.GetHashCode(obj), StringComparer.OrdinalIgnoreCase.GetHashCode(obj.OriginalAddress));
    }

    private sealed class SameAddress : IEqualityComparer<EnvelopeRecipient>
    {
        public static readonly SameAddress Instance = new();

        public bool Equals(EnvelopeRecipient? x, EnvelopeRecipient? y) => x is not null && y is not null && x.Address.Equals(y.Address, StringComparison.OrdinalIgnoreCase);

        public int GetHashCode(EnvelopeRecipient obj) => StringComparer.OrdinalIgnoreCase.GetHashCode(obj.Address);
    }
}
