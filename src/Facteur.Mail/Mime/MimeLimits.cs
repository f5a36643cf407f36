namespace Facteur.Mail.Mime;

/// <summary>How much of a message's structure is kept in memory.</summary>
/// <param name="HeaderSize">header_size_limit: bytes of one header; the rest goes away.</param>
/// <param name="LineLength">line_length_limit: bytes after which a line without colon is no header.</param>
/// <param name="Nesting">mime_nesting_limit: boundaries known at once.</param>
/// <param name="Boundary">mime_boundary_length_limit: bytes of a boundary that are looked at.</param>
public readonly record struct MimeLimits(int HeaderSize, int LineLength, int Nesting, int Boundary);
