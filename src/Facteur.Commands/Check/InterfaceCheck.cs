using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Net.Connections;

namespace Facteur.Commands.Check;

/// <summary>inet_interfaces: names that are not found, addresses that are not this host's.</summary>
internal static class InterfaceCheck
{
    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        var (name, host) = (CommonParameters.InetInterfaces.Name, HostFacts.Current());
        void Check(MasterEntry? entry, string interfaces)
        {
            if (OwnNetworks.WrongInterfaces(interfaces, load.Config.Get(CommonParameters.InetProtocols), host, SystemHosts.Addresses, out _) is { } wrong)
            {
                findings.Add(FindingLevel.Error, places.Of(entry, name), wrong);
            }
        }
        Check(null, load.Config.Get(CommonParameters.InetInterfaces));
        foreach (var entry in load.Entries.Where(e => e.Overrides.Any(o => o.Key == name)))
        {
            Check(entry, load.Config.With([entry.Overrides.Last(o => o.Key == name)]).Get(CommonParameters.InetInterfaces));
        }
    }
}
