namespace Facteur.Tables.Text;

/// <summary>Lines joined.</summary>
/// <param name="Number">The number of its first line, from 1.</param>
/// <param name="Text">Its text without line ends.</param>
public readonly record struct LogicalLine(int Number, string Text);
