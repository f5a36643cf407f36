namespace Facteur.Config.MainCf;

/// <summary>A setting of main.cf.</summary>
/// <param name="Value">The text after "=", trimmed, not expanded.</param>
/// <param name="Line">The number of its first line.</param>
public readonly record struct MainCfEntry(string Value, int Line);
