using System.Net;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>One address to try.</summary>
/// <param name="Name">The host's name, or the address where there is none.</param>
/// <param name="Address">The address as text, or a socket's path.</param>
/// <param name="EndPoint">Where to connect.</param>
/// <param name="Preference">The MX record's preference; 0 without.</param>
/// <param name="IsBest">Of the best preference.</param>
internal sealed record SmtpHost(string Name, string Address, EndPoint EndPoint, int Preference, bool IsBest)
{
    /// <summary>"name[address]", as logs have it.</summary>
    internal string NameAddress { get; } = $"{Name}[{Address}]";

    /// <summary>"name[address]:port", without the port for a Unix-domain socket.</summary>
    internal string Relay { get; } = EndPoint is IPEndPoint ip ? $"{Name}[{Address}]:{ip.Port}" : $"{Name}[{Address}]";
}
