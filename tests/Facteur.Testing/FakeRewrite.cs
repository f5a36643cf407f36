using Facteur.Contracts;

namespace Facteur.Testing;

/// <summary>Appends a domain to addresses that have none, and resolves by a function.</summary>
public sealed class FakeRewrite(string origin = "dest.example") : IRewrite
{
    public Func<string, string, Resolution> Resolve { get; set; } = (_, recipient) => new Resolution("smtp", recipient[(recipient.LastIndexOf('@') + 1)..], recipient, ResolveFlags.Default);

    /// <summary>Nothing can be had now.</summary>
    public bool Fails { get; set; }

    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) =>
        new(Fails ? null : address.Length == 0 || address.Contains('@') ? address : $"{address}@{origin}");

    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        new(Fails ? new Resolution("", "", recipient, ResolveFlags.Fail) : Resolve(sender, recipient));
}
