using Facteur.Tables.Patterns;

namespace Facteur.Tables.Lists;

/// <summary>An element of a match list.</summary>
/// <param name="Negated">"!" stands in front: a match means "no".</param>
/// <param name="Text">The element without "!".</param>
/// <param name="Table">The table, when the element is type:name.</param>
/// <param name="Network">The network, when the element is one.</param>
/// <param name="Wrong">What is wrong with the element: reaching it is an error.</param>
internal sealed record ListPattern(bool Negated, string Text, ITable? Table, CidrPattern? Network, string? Wrong);
