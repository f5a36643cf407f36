using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Policy;

/// <summary>
/// check_policy_service: looks at what a policy service answers (SMTPD_POLICY_README) and returns what an access table with that answer would. A service
/// that can't be asked gives smtpd_policy_service_default_action.
/// </summary>
internal sealed class PolicyRestriction(PolicyClient client, string service, PolicySettings settings, Func<string, RestrictionList?> parse)
{
    public async ValueTask<Verdict> CheckAsync(RestrictionContext context, Subject subject)
    {
        var action = await client.AskAsync(PolicyRequest.Make(context, settings.Context), context.Cancel).ConfigureAwait(false);
        Tell(context, action ?? $"no answer, so {settings.DefaultAction}");
        if (action is not null)
        {
            return await AccessAction.ApplyAsync(context, service, action, "policy query", subject, parse).ConfigureAwait(false);
        }
        // Postfix: a default action that asks a policy service again gets the built-in one there.
        var value = context.InPolicyDefault ? UceParameters.PolicyDefaultAction.Default : settings.DefaultAction;
        var outer = context.InPolicyDefault;
        context.InPolicyDefault = true;
        var verdict = await AccessAction.ApplyAsync(context, service, value, "policy query", subject, parse).ConfigureAwait(false);
        context.InPolicyDefault = outer;
        return verdict;
    }

    private void Tell(RestrictionContext context, string said)
    {
        context.Arrows.Explanation?.Add($"policy service {service}: {said}");
        context.Arrows.Explanation?.Answered($"policy service {service}", null, said);
    }

    /// <summary>Reads the argument of check_policy_service: an endpoint, or an endpoint and settings of its own.</summary>
    /// <param name="text">The argument, without braces around it.</param>
    /// <param name="defaults">What is not set.</param>
    /// <param name="sockets">What names of sockets stand for.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="settings">The settings.</param>
    /// <returns>What is wrong with it, or null.</returns>
    public static string? Parse(string text, PolicySettings defaults, SocketNames sockets, out PolicyEndpoint? endpoint, out PolicySettings settings)
    {
        settings = defaults;
        var parts = ListSyntax.Split(text);
        endpoint = parts.Count == 0 ? null : PolicyEndpoint.Parse(parts[0], sockets);
        if (endpoint is null)
        {
            return $"bad policy service \"{text}\": expected inet:host:port or unix:path";
        }
        foreach (var part in parts.Skip(1))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var (name, value) = equals < 0 ? (part, "") : (part[..equals].Trim(), part[(equals + 1)..].Trim());
            value = value is ['{', .., '}'] ? value[1..^1].Trim() : value;
            if (Set(name, value, ref settings) is { } wrong)
            {
                return $"policy service \"{parts[0]}\": {wrong}";
            }
        }
        return null;
    }

    private static string? Set(string name, string value, ref PolicySettings settings)
    {
        var seconds = TimeParameter.ParseSeconds(value, 's') is { } parsed and > 0 ? TimeSpan.FromSeconds(parsed) : TimeSpan.Zero;
        var number = int.TryParse(value, out var count) ? count : -1;
        switch (name)
        {
            case "default_action" when value.Length > 0:
                settings = settings with { DefaultAction = value };
                return null;
            case "policy_context":
                settings = settings with { Context = value };
                return null;
            case "timeout" when seconds > TimeSpan.Zero:
                settings = settings with { Timeout = seconds };
                return null;
            case "max_idle" when seconds > TimeSpan.Zero:
                settings = settings with { MaxIdle = seconds };
                return null;
            case "max_ttl" when seconds > TimeSpan.Zero:
                settings = settings with { MaxTtl = seconds };
                return null;
            case "retry_delay" when seconds > TimeSpan.Zero:
                settings = settings with { RetryDelay = seconds };
                return null;
            case "request_limit" when number >= 0:
                settings = settings with { RequestLimit = number };
                return null;
            case "try_limit" when number > 0:
                settings = settings with { TryLimit = number };
                return null;
            case "default_action" or "timeout" or "max_idle" or "max_ttl" or "retry_delay" or "request_limit" or "try_limit":
                return $"bad value \"{value}\" of {name}";
            default:
                return $"unexpected attribute \"{name}\"";
        }
    }
}
