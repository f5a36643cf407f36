using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>Whoever acts in users' names for the agents of one process: one for local and virtual together.</summary>
public sealed class UserHands : IDisposable
{
    private UserHands(IUserHands hands) => Hands = hands;

    internal IUserHands Hands { get; }

    /// <summary>Within this process: files on threads with the user's file identity, commands in a child of their own.</summary>
    /// <param name="threads">Threads for files.</param>
    /// <param name="program">The program of the children.</param>
    /// <param name="time">The clock.</param>
    public static UserHands InProcess(BlockingThreads threads, HelperProgram program, TimeProvider time) => new(new ThreadHands(threads, program, time));

    /// <summary>In processes of their own, handed out by local's parent, once one is attached.</summary>
    public static UserHands ByParent() => new(new ParentHands());

    /// <summary>A parent came; only with <see cref="ByParent"/>.</summary>
    /// <param name="requests">The socket of requests to it.</param>
    public void Attach(DescriptorSocket requests) => ((ParentHands)Hands).Attach(requests);

    /// <inheritdoc/>
    public void Dispose() => (Hands as IDisposable)?.Dispose();
}
