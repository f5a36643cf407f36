using System.Text;

namespace Facteur.Config.MasterCf;

/// <summary>
/// What "postfix upgrade-configuration" does to a master.cf that an older release wrote: services that came later are added at its end, settings that changed are changed in
/// place. All else stays byte for byte; a second time there is nothing to do. The rows are those of Postfix's post-install script, and in its order.
/// </summary>
public static class MasterCfUpgrade
{
    private const int Private = 2, Unprivileged = 3, Wakeup = 5, Limit = 6;

    private enum Where : byte
    {
        /// <summary>Only a service counts.</summary>
        Service,

        /// <summary>One that was turned into a comment counts too: it is there to be turned on.</summary>
        Comment,

        /// <summary>Any mention counts.</summary>
        Anywhere,
    }

    private static readonly Step[] Steps =
    [
        new Missing("relay", "", Where.Service, "relay service", "relay     unix  -       -       n       -       -       smtp"),
        new Missing("flush", "flush", Where.Service, "flush service", "flush     unix  -       -       n       1000?   0       flush"),
        new Missing("trace", "bounce", Where.Anywhere, "trace service", "trace     unix  -       -       n       -       0       bounce"),
        new Missing("verify", "verify", Where.Service, "verify service", "verify    unix  -       -       n       -       1       verify"),
        new Changed("verify", f => f[7] == "verify" && f[Limit] == "0", [(Limit, "1")], "setting verify process limit to 1"),
        new Changed("pickup", f => f[1] == "fifo" && f[Private] == "n" && f[Unprivileged] == "n", [(Unprivileged, "-")], "making the pickup service unprivileged"),
        new Changed("cleanup", f => f[1] == "unix" && f[Private] is "-" or "y", [(Private, "n")], "making the cleanup service public"),
        new Changed("flush", f => f[1] == "unix" && f[Private] is "-" or "y", [(Private, "n")], "making the flush service public"),
        new Missing("proxymap", "proxymap", Where.Service, "proxymap service", "proxymap  unix  -       -       n       -       -       proxymap"),
        new Missing("anvil", "anvil", Where.Service, "anvil service", "anvil     unix  -       -       n       -       1       anvil"),
        new Missing("scache", "scache", Where.Service, "scache service", "scache    unix  -       -       n       -       1       scache"),
        new Missing("discard", "discard", Where.Service, "discard service", "discard   unix  -       -       n       -       -       discard"),
        new Changed("tlsmgr", f => f[1] == "fifo", [(1, "unix"), (Wakeup, "&?")], "updating the tlsmgr from fifo to unix service"),
        new Missing("tlsmgr", "tlsmgr", Where.Service, "tlsmgr service", "tlsmgr    unix  -       -       n       1000?   1       tlsmgr"),
        new Missing("retry", "error", Where.Service, "retry service", "retry     unix  -       -       n       -       -       error"),
        new Missing("proxywrite", "proxymap", Where.Service, "proxywrite service", "proxywrite unix -       -       n       -       1       proxymap"),
        new Changed("proxywrite", f => f[7] == "proxymap" && f[Limit] == "-", [(Limit, "1")], "setting proxywrite process limit to 1"),
        new Missing("smtp", "postscreen", Where.Comment, "postscreen TCP service", "#smtp      inet  n       -       n       -       1       postscreen"),
        new Missing("smtpd", "smtpd", Where.Comment, "smtpd unix-domain service", "#smtpd     pass  -       -       n       -       -       smtpd"),
        new Missing("dnsblog", "dnsblog", Where.Comment, "dnsblog unix-domain service", "#dnsblog   unix  -       -       n       -       0       dnsblog"),
        new Missing("tlsproxy", "tlsproxy", Where.Comment, "tlsproxy unix-domain service", "#tlsproxy  unix  -       -       n       -       0       tlsproxy"),
        new Missing("postlog", "", Where.Service, "postlog unix-domain datagram service", "postlog   unix-dgram n  -       n       -       1       postlogd"),
    ];

    /// <summary>Brings a text up to date.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="done">What was done, in Postfix's words: "adding missing entry for relay service".</param>
    /// <returns>The new text; the same one when there was nothing to do.</returns>
    public static string Apply(string text, out IReadOnlyList<string> done)
    {
        var lines = text.Split('\n').ToList();
        if (lines[^1].Length == 0)
        {
            lines.RemoveAt(lines.Count - 1);
        }
        done = [.. Steps.Where(step => step.Apply(lines)).Select(step => step.Words)];
        return done.Count == 0 ? text : string.Join('\n', lines) + "\n";
    }

    /// <summary>One thing that may be to do.</summary>
    private abstract record Step(string Words)
    {
        /// <summary>Does it; false when there is nothing to do.</summary>
        public abstract bool Apply(List<string> lines);
    }

    private sealed record Missing(string Name, string Program, Where Where, string What, string Line) : Step($"adding missing entry for {What}")
    {
        public override bool Apply(List<string> lines)
        {
            if (lines.Exists(Is))
            {
                return false;
            }
            lines.Add(Line);
            return true;
        }

        private bool Is(string line)
        {
            var text = Where == Where.Comment ? line.TrimStart('#') : line;
            var at = text.IndexOf(Name, StringComparison.Ordinal);
            return at >= 0 && (at == 0 || Where == Where.Anywhere) && text.IndexOf(Program, at + Name.Length, StringComparison.Ordinal) >= 0;
        }
    }

    private sealed record Changed(string Name, Func<string[], bool> Old, (int Field, string Value)[] New, string Words) : Step(Words)
    {
        public override bool Apply(List<string> lines)
        {
            var changed = false;
            for (var i = 0; i < lines.Count; i++)
            {
                var fields = lines[i].Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length >= MasterLine.FieldNames.Count && lines[i].StartsWith(Name, StringComparison.Ordinal) && fields[0] == Name && Old(fields))
                {
                    foreach (var (field, value) in New)
                    {
                        lines[i] = With(lines[i], field, value);
                    }
                    changed = true;
                }
            }
            return changed;
        }

        // The blanks between the fields stay. "&" stands for the old value; what has no number gets no "?".
        private static string With(string line, int field, string value)
        {
            var (start, end) = (0, 0);
            for (var i = 0; i <= field; i++)
            {
                start = end;
                while (Spaces.Is(line[start]))
                {
                    start++;
                }
                end = start;
                while (end < line.Length && !Spaces.Is(line[end]))
                {
                    end++;
                }
            }
            var old = line[start..end];
            var text = value != "&?" ? value : char.IsAsciiDigit(old[0]) && !old.EndsWith('?') ? $"{old}?" : old;
            return new StringBuilder(line).Remove(start, end - start).Insert(start, text).ToString();
        }
    }
}
