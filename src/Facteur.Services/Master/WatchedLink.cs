using System.IO.Pipelines;
using Facteur.Contracts.Wire;

namespace Facteur.Services.Master;

/// <summary>A link within the process whose end is noticed, whichever of its four ends it comes from.</summary>
internal static class WatchedLink
{
    /// <summary>Makes the two ends.</summary>
    /// <param name="ended">Called when one of them is gone; perhaps several times.</param>
    public static (IDuplexPipe A, IDuplexPipe B) Create(Action ended)
    {
        var (a, b) = PipePair.Create();
        foreach (var end in (IDuplexPipe[])[a, b])
        {
#pragma warning disable CS0618 // Not every pipe calls these; System.IO.Pipelines.Pipe, which a link within the process is made of, does.
            end.Input.OnWriterCompleted((_, _) => ended(), null);
            end.Output.OnReaderCompleted((_, _) => ended(), null);
#pragma warning restore CS0618
        }
        return (a, b);
    }
}
