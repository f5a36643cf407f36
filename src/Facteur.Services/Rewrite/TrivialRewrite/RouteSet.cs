using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>A main.cf value "transport" or "transport:nexthop", and whose it is.</summary>
internal readonly record struct NamedTransport(string Parameter, string Value);

/// <summary>The parameters that routes are made from.</summary>
internal sealed record RouteParameters(
    StringParameter LocalTransport, StringParameter VirtualTransport, StringParameter RelayTransport, StringParameter DefaultTransport, StringParameter Relayhost,
    StringParameter TransportMaps, StringParameter SenderRelayhosts, StringParameter SenderTransports)
{
    /// <summary>Those of mail.</summary>
    public static RouteParameters Mail { get; } = new(
        TrivialRewriteParameters.LocalTransport, TrivialRewriteParameters.VirtualTransport, TrivialRewriteParameters.RelayTransport,
        TrivialRewriteParameters.DefaultTransport, TrivialRewriteParameters.Relayhost, TrivialRewriteParameters.TransportMaps,
        TrivialRewriteParameters.SenderDependentRelayhostMaps, TrivialRewriteParameters.SenderDependentDefaultTransportMaps);

    /// <summary>Those of probes of addresses.</summary>
    public static RouteParameters Probes { get; } = new(
        VerifyParameters.LocalTransport, VerifyParameters.VirtualTransport, VerifyParameters.RelayTransport, VerifyParameters.DefaultTransport,
        VerifyParameters.Relayhost, VerifyParameters.TransportMaps, VerifyParameters.SenderDependentRelayhostMaps,
        VerifyParameters.SenderDependentDefaultTransportMaps);
}

/// <summary>Transports, relay hosts and the tables that override them: of mail, or of probes (address_verify_*).</summary>
internal sealed class RouteSet(RouteParameters names, IConfig config, Func<StringParameter, Maps> open, IAddressMaps addresses, List<string> parents)
{
    public NamedTransport LocalTransport { get; } = Named(names.LocalTransport, config);

    public NamedTransport VirtualTransport { get; } = Named(names.VirtualTransport, config);

    public NamedTransport RelayTransport { get; } = Named(names.RelayTransport, config);

    public NamedTransport DefaultTransport { get; } = Named(names.DefaultTransport, config);

    public string Relayhost { get; } = config.Get(names.Relayhost);

    /// <summary>Postfix: whether parents match without a dot is the word of the parameter in use, so address_verify_transport_maps has to be named too.</summary>
    public TransportRoutes Transports { get; } = new(open(names.TransportMaps), addresses, parents.Contains(names.TransportMaps.Name));

    public Maps SenderRelayhosts { get; } = open(names.SenderRelayhosts);

    public Maps SenderTransports { get; } = open(names.SenderTransports);

    private static NamedTransport Named(StringParameter parameter, IConfig config) => new(parameter.Name, config.Get(parameter));
}
