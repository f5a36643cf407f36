using System.Globalization;
using System.Net;

namespace Facteur.Root.Master;

/// <summary>
/// What the configuration asks of master, as a process of mail_owner has read it: a line each, fields separated by tabs. Master believes
/// nothing that would give rights: identities are its own, and a secret file is opened only if main.cf or master.cf names it.
/// </summary>
internal sealed class Plan
{
    /// <summary>Longest plan, characters.</summary>
    public const int Limit = 4 << 20;

    private Plan()
    {
    }

    /// <summary>TCP addresses to listen on.</summary>
    public List<(IPEndPoint Address, string Line)> Listen { get; } = [];

    /// <summary>Files and directories that roles read.</summary>
    public List<string> Read { get; } = [];

    /// <summary>Files that perhaps only root may read, and are handed to receive, rewrite and deliver.</summary>
    public List<string> Secrets { get; } = [];

    /// <summary>"HOST TAG" of log lines: myhostname and syslog_name.</summary>
    public (string Host, string Tag) Log { get; private set; } = ("localhost", "postfix");

    /// <summary>The build of the plan's maker; empty for one that does not say it.</summary>
    public string Build { get; private set; } = "";

    /// <summary>mail_version.</summary>
    public string Version { get; private set; } = "";

    /// <summary>What makes the configuration unusable; nothing else holds then.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>What an administrator should know.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Reads a plan.</summary>
    public static Plan Parse(string text)
    {
        var plan = new Plan();
        var whole = false;
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = line.Split('\t');
            switch (fields)
            {
                case ["listen", var address, var port, var where] when IPAddress.TryParse(address, out var ip)
                    && ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number):
                    plan.Listen.Add((new IPEndPoint(ip, number), where));
                    break;
                case ["read", ['/', ..] path]:
                    plan.Read.Add(path);
                    break;
                case ["secret", ['/', ..] path]:
                    plan.Secrets.Add(path);
                    break;
                case ["log", var host, var tag]:
                    plan.Log = (host, tag);
                    break;
                case ["build", var build]:
                    plan.Build = build;
                    break;
                case ["version", var version]:
                    plan.Version = version;
                    break;
                case ["error", var error]:
                    plan.Errors.Add(error);
                    break;
                case ["warning", var warning]:
                    plan.Warnings.Add(warning);
                    break;
                case ["end"]:
                    whole = true;
                    break;
                default:
                    plan.Errors.Add($"the plan has a line that makes no sense: {line}");
                    break;
            }
        }
        if (!whole && plan.Errors.Count == 0)
        {
            plan.Errors.Add("the configuration could not be read: its reader ended too early");
        }
        return plan;
    }
}
