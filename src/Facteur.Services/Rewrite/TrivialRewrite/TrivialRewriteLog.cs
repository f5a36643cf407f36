using Facteur.Contracts;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>The log lines of trivial-rewrite(8).</summary>
internal sealed class TrivialRewriteLog(ServiceLog log)
{
    public void LookupFailure(string parameter) => log.Warning($"{parameter} lookup failure");

    public void InBoth(string domain, string one, string other) => log.Warning($"do not list domain {domain} in BOTH {one} and {other}");

    public void NullTransport(string configDirectory, string parameter) =>
        log.Warning($"file {configDirectory}/main.cf: parameter {parameter}: null transport is not allowed");

    public void NullResult(string parameter, string key) => log.Warning($"{parameter}: ignoring null lookup result for {key}");

    public void AppendedByDefault(string domain, string result) => log.Info(
        $"using backwards-compatible default setting append_dot_mydomain=yes to rewrite \"{domain}\" to \"{result}\""
        + (domain.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? "; please add \"localhost\" to mydestination or other address class" : ""));

    public void GivingUp(string address, int iterations) => log.Warning($"resolve_addr: <{address}>: giving up after {iterations} iterations");
}
