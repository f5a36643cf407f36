namespace Facteur.Services.Server;

/// <summary>Where batches of log lines go; called by the log's own thread only.</summary>
internal interface ILogSink : IDisposable
{
    /// <summary>Writes whole lines, each ended by a line feed.</summary>
    /// <returns>How many lines were lost.</returns>
    int Write(ReadOnlySpan<byte> lines);

    /// <summary>The file was renamed: open it anew.</summary>
    void Reopen();
}
