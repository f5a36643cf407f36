using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Master;

/// <summary>cleanup of the current generation: a message stays with the one it began with.</summary>
internal sealed class CleanupSwitch : ICleanup
{
    public ICleanup? Current { get; set; }

    public ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel) => Current!.OpenAsync(envelope, cancel);
}

/// <summary>trivial-rewrite of the current generation.</summary>
internal sealed class RewriteSwitch : IRewrite
{
    public IRewrite? Current { get; set; }

    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) => Current!.RewriteAsync(local, address, cancel);

    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) => Current!.ResolveAsync(sender, recipient, cancel);
}
