namespace Facteur.Config;

/// <summary>The configuration can't be used; the message names file, line and what was expected.</summary>
public sealed class ConfigException(string message) : Exception(message);
