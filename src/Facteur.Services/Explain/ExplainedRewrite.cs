using Facteur.Contracts;

namespace Facteur.Services.Explain;

/// <summary>trivial-rewrite, each answer told.</summary>
internal sealed class ExplainedRewrite(IRewrite rewrite, Explanation explanation) : IRewrite
{
    public async ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        var after = await rewrite.RewriteAsync(local, address, cancel).ConfigureAwait(false);
        if (after != address)
        {
            explanation.Add($"rewrite ({(local ? "local" : "remote")}): {address} -> {after ?? "no answer now"}");
        }
        return after;
    }

    public async ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel)
    {
        explanation.Begin($"resolve {recipient}{(sender.Length > 0 ? $" from {sender}" : "")}");
        var resolution = await rewrite.ResolveAsync(sender, recipient, cancel).ConfigureAwait(false);
        explanation.Add("= " + Text(resolution));
        explanation.End();
        return resolution;
    }

    /// <summary>"transport=smtp nexthop=example.com recipient=user@example.com class=default".</summary>
    public static string Text(Resolution resolution) =>
        (resolution.Flags & ResolveFlags.Fail) != 0
            ? "no answer now"
            : $"transport={resolution.Transport} nexthop={resolution.Nexthop} recipient={resolution.Recipient} class={Class(resolution.Flags)}{((resolution.Flags & ResolveFlags.Routed) != 0 ? " (with a route inside)" : "")}";

    private static string Class(ResolveFlags flags) => (flags & (ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox | ResolveFlags.Relay)) switch
    {
        ResolveFlags.Local => "local",
        ResolveFlags.VirtualAlias => "virtual alias",
        ResolveFlags.VirtualMailbox => "virtual mailbox",
        ResolveFlags.Relay => "relay",
        _ => "default",
    };
}
