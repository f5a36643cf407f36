using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>
/// The arrow queue, deliver → cleanup for mail made inside: reports, warnings, forwards. Never waited for on the append path.
/// The envelope's <see cref="Envelope.Closes"/> makes "report durable" and "recipients reported" one record.
/// </summary>
public interface IResubmit
{
    /// <summary>Starts a message.</summary>
    IResubmitMessage Begin(Envelope envelope);

    /// <summary>What a probe found, for who sent it. Lost when there is nobody now.</summary>
    void Probed(string address, AddressVerdict verdict)
    {
    }
}

/// <summary>One message made inside. Dispose without <see cref="EndAsync"/> forgets it.</summary>
public interface IResubmitMessage : IDisposable
{
    /// <summary>Content, LF line ends, cut anywhere; copied. Waits when too much is under way.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel);

    /// <summary>Ends it and waits until it is durable or refused.</summary>
    ValueTask<ResubmitResult> EndAsync(CancellationToken cancel);
}

/// <summary>The end of a message made inside.</summary>
/// <param name="Result">As cleanup says.</param>
/// <param name="QueueId">Its queue id, "" when it got none.</param>
public readonly record struct ResubmitResult(CleanupResult Result, string QueueId);
