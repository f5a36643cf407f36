using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
using Facteur.Unix;

namespace Facteur.Tables;

/// <summary>
/// local_login_sender_maps: which envelope senders a local user may say (postconf(5)). Tables are opened when they are first needed, and not at all where
/// all users may say all senders.
/// </summary>
public sealed class LoginSenders : IDisposable
{
    private readonly TableSet _set;
    private readonly Problems _problems = new();
    private readonly Lazy<Maps> _maps;
    private readonly string _nullKey;
    private readonly RecipientDelimiters _delimiters;

    private LoginSenders(IConfig config, string value, TimeProvider time)
    {
        _nullKey = config.Get(SendmailParameters.EmptyAddressLookupKey);
        _delimiters = DelimiterSettings.Of(config);
        _set = new TableSet(config, _problems, time);
        _maps = new Lazy<Maps>(() => Maps.Open(_set, SendmailParameters.LocalLoginSenderMaps.Name, value));
    }

    /// <summary>Reads the configuration.</summary>
    /// <returns>Null when nothing is to be checked.</returns>
    public static LoginSenders? Of(IConfig config, TimeProvider time) =>
        config.Get(SendmailParameters.LocalLoginSenderMaps) is { } value && value != SendmailParameters.LocalLoginSenderMaps.Default ? new LoginSenders(config, value, time) : null;

    /// <summary>Why a user may not say a sender, or null.</summary>
    /// <param name="uid">The user.</param>
    /// <param name="sender">The sender, empty for the null sender.</param>
    public string? Refuses(uint uid, string sender)
    {
        _ = UserAccount.Find(uid, out var account);
        return Refuses(account?.Name ?? $"uid:{uid}", sender);
    }

    internal string? Refuses(string login, string sender)
    {
        var found = _maps.Value.FindAsync(login, false, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        if (found.Status is LookupStatus.NotFound)
        {
            return Refusal(sender);
        }
        if (found.Status != LookupStatus.Found)
        {
            return $"{SendmailParameters.LocalLoginSenderMaps.Name} lookup error for {login}: {_problems.Last ?? found.Value}";
        }
        var (local, domain) = AddressParts.Split(sender);
        var plain = AddressParts.SplitExtension(local, _delimiters).User + (sender.Length > local.Length ? "@" + domain : "");
        return ListSyntax.Split(found.Value).Any(pattern => Matches(pattern, sender, plain)) ? null : Refusal(sender);
    }

    /// <inheritdoc/>
    public void Dispose() => _set.Dispose();

    // Postfix: its words.
    private static string Refusal(string sender) => $"not authorized to use sender='{sender}'";

    private bool Matches(string pattern, string sender, string plain) =>
        pattern == "*"
        || (pattern == _nullKey ? sender.Length == 0
            : sender.Length > 0 && (pattern.StartsWith('@')
                ? sender.LastIndexOf('@') is var at and >= 0 && sender[at..].Equals(pattern, StringComparison.OrdinalIgnoreCase)
                : plain.Equals(pattern, StringComparison.OrdinalIgnoreCase)));

    private sealed class Problems : ITableEvents
    {
        public string? Last { get; private set; }

        public void Info(string text)
        {
        }

        public void Warning(string text) => Last = text;

        public void Error(string text) => Last = text;
    }
}
