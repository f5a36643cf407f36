using Facteur.Contracts;
using Facteur.Mail.Addresses;

namespace Facteur.Testing.World;

/// <summary>trivial-rewrite of the host mx.dest.example: dest.example is local, everything else is remote unless a test says otherwise.</summary>
public sealed class WorldRewrite : IRewrite
{
    private static readonly string[] LocalDomains = ["mx.dest.example", "localhost.dest.example", "localhost", "dest.example", "[127.0.0.25]"];

    /// <summary>Resolutions by address or by "@domain", asked first.</summary>
    public Dictionary<string, Resolution> Answers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public bool Fails { get; set; }

    public static bool IsLocal(ReadOnlySpan<char> domain)
    {
        foreach (var local in LocalDomains)
        {
            if (domain.Equals(local, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }
        return false;
    }

    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        if (Fails)
        {
            return new((string?)null);
        }
        if (address.StartsWith('@'))
        {
            address = address[(address.IndexOf(':') + 1)..];
        }
        if (!address.Contains('@'))
        {
            var bang = address.IndexOf('!');
            address = bang > 0 ? $"{address[(bang + 1)..]}@{address[..bang]}" : address + "@dest.example";
        }
        return new(address);
    }

    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel)
    {
        var (user, domain) = AddressParts.Split(recipient);
        if (Answers.TryGetValue(recipient, out var answer) || Answers.TryGetValue("@" + domain, out answer))
        {
            return new(answer with { Recipient = answer.Recipient.Length > 0 ? answer.Recipient : recipient });
        }
        if (!IsLocal(domain))
        {
            return new(new Resolution("smtp", domain, recipient, ResolveFlags.Default));
        }
        var percent = user.IndexOf('%');
        return new(percent > 0
            ? new Resolution("smtp", user[(percent + 1)..], $"{user[..percent]}@{user[(percent + 1)..]}", ResolveFlags.Default | ResolveFlags.Routed)
            : new Resolution("local", "mx.dest.example", recipient, ResolveFlags.Local));
    }
}
