using System.IO.Pipelines;
using Facteur.Contracts;

namespace Facteur.Services.Master.Roles;

/// <summary>trivial-rewrite, asked by the queue: the tables are read here, where nothing of the queue can be written.</summary>
internal sealed class RewriteRole(Surroundings around) : IDisposable
{
    private readonly RewriteSwitch _rewrite = new(around.Generation, queue: true);
    private RewriteServer? _server;

    /// <summary>A queue came; the one before is gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        var before = _server;
        _server = new RewriteServer(link, _rewrite);
        before?.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _server?.Dispose();
}
