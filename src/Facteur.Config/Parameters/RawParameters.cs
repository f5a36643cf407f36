using System.Collections.Frozen;

namespace Facteur.Config.Parameters;

/// <summary>Parameters whose $names mean something to their reader only ($recipient, $rbl_code): never expanded when the configuration is loaded.</summary>
public static class RawParameters
{
    private static readonly FrozenSet<string> Names = FrozenSet.ToFrozenSet(
        [
            "command_execution_directory", "default_rbl_reply", "forward_path", "luser_relay", "mailbox_command",
            "postscreen_expansion_filter", "postscreen_reject_footer", "smtpd_expansion_filter", "smtpd_reject_footer",
        ],
        StringComparer.Ordinal);

    /// <summary>Whether a name is one of them.</summary>
    public static bool Contains(string name) => Names.Contains(name);
}
