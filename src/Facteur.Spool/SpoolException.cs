namespace Facteur.Spool;

/// <summary>The spool can't be opened; the text is for the administrator and names the path.</summary>
public sealed class SpoolException(string text) : Exception(text);
