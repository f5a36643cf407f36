namespace Facteur.Spool.PostfixQueue;

/// <summary>What an operator must hear when mail changes between Postfix's queue and the journal. Each call is worth one line.</summary>
public interface IPostfixQueueEvents
{
    /// <summary>A message has changed its place, durably.</summary>
    /// <param name="file">Its file in Postfix's queue.</param>
    /// <param name="message">Its number in the journal.</param>
    void Moved(PostfixQueueFile file, ulong message);

    /// <summary>A message of Postfix's stays where it is.</summary>
    /// <param name="path">Its file, or a directory that can't be read.</param>
    /// <param name="why">Why.</param>
    void Left(string path, string why);
}
