namespace Facteur.Config.Expansion;

/// <summary>An expanded text.</summary>
/// <param name="Text">The text, as far as it could be made.</param>
/// <param name="Error">What is wrong with the expression, or null.</param>
public readonly record struct Expanded(string Text, string? Error);
