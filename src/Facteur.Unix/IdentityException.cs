namespace Facteur.Unix;

/// <summary>The kernel did not let this process take an identity: it is root without the rights of root.</summary>
public sealed class IdentityException(string message) : Exception(message);
