namespace Facteur.Tables;

/// <summary>Where tables say what an administrator should know. Called from any thread.</summary>
public interface ITableEvents
{
    /// <summary>Something worth a line.</summary>
    void Info(string text);

    /// <summary>Something wrong that the table works around: a bad line, an old index.</summary>
    void Warning(string text);

    /// <summary>A table can't be used.</summary>
    void Error(string text);
}
