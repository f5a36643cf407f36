using Facteur.Mail.Addresses;

namespace Facteur.Tables;

/// <summary>An address cut into what keys are made of; what is not needed is not made.</summary>
internal sealed class AddressKeyParts
{
    private readonly string _address;

    public AddressKeyParts(string address, RecipientDelimiters delimiters, bool externalOnly)
    {
        _address = address;
        var at = address.LastIndexOf('@');
        Local = at < 0 ? address : address[..at];
        AtDomain = at < 0 ? "" : address[at..];
        Domain = at < 0 ? "" : address[(at + 1)..];
        var quoted = Local.Contains('"') || Local.Contains('\\');
        var raw = quoted ? AddressParts.Unquote(Local) : Local;
        UnquotedLocal = !externalOnly && quoted && raw != Local ? raw : null;
        var (user, extension) = AddressParts.SplitExtension(raw, delimiters);
        if (extension is not null)
        {
            User = quoted ? AddressParts.Quote(user) : user;
            UnquotedUser = !externalOnly && quoted && User != user ? user : null;
            Extension = raw[user.Length..];
        }
    }

    /// <summary>The local part in external form.</summary>
    public string Local { get; }

    /// <summary>The local part unquoted, when that differs and is a key.</summary>
    public string? UnquotedLocal { get; }

    /// <summary>The user without extension in external form; null when there is no extension.</summary>
    public string? User { get; }

    /// <summary>The user without extension unquoted, when that differs and is a key.</summary>
    public string? UnquotedUser { get; }

    /// <summary>The extension with its delimiter.</summary>
    public string Extension { get; } = "";

    /// <summary>The domain.</summary>
    public string Domain { get; }

    /// <summary>"@domain", or "" when there is none.</summary>
    public string AtDomain { get; }

    /// <summary>A key of the local part and a tail; the address itself where it is that.</summary>
    public string Key(string local, string tail) => ReferenceEquals(local, Local) && ReferenceEquals(tail, AtDomain) ? _address : local + tail;
}
