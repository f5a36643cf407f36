using Facteur.Contracts;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>A delivery that an earlier queue asked for and whose result it may not have written.</summary>
/// <param name="Number">What the agents know it by.</param>
/// <param name="MessageId">The message.</param>
/// <param name="Recipients">Indices of the recipients it delivers to.</param>
internal sealed record ElsewhereDelivery(ulong Number, ulong MessageId, IReadOnlyList<int> Recipients)
{
    /// <summary>How it ended; null while it goes on.</summary>
    public DeliveryResult? Result { get; set; }
}
