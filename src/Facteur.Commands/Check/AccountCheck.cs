using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands.Check;

/// <summary>Users and groups that must differ, who may write the configuration, limits that contradict each other, networks that hold neighbours.</summary>
internal sealed class AccountCheck(ConfigLoad load, SettingPlaces places, Findings findings)
{
    private const uint OthersWrite = 0x12; // 022

    public void Run()
    {
        Accounts();
        foreach (var path in (string[])[load.Config.ConfigDirectory, places.MainPath, places.MasterPath])
        {
            if (UnixFile.Status(path, followLinks: true, out var status) == 0 && (status.Mode & OthersWrite) != 0)
            {
                findings.Add(FindingLevel.Warning, (path, 0), "group or other writable: who may write it decides what runs as any user");
            }
        }
        Limits();
        var style = load.Config.Find("mynetworks_style");
        if (!places.Main.Entries.ContainsKey(CommonParameters.Mynetworks.Name) && style is "class" or "subnet")
        {
            findings.Add(style == "class" ? FindingLevel.Warning : FindingLevel.Note, places.Of(null, "mynetworks_style"),
                $"mynetworks_style = {style}: mynetworks is {load.Config.Get(CommonParameters.Mynetworks)}: all of these hosts may relay");
        }
    }

    private void Accounts()
    {
        foreach (var (parameter, text) in PostfixAccounts.Problems(load.Config, out _))
        {
            findings.Add(FindingLevel.Error, places.Of(null, parameter.Name), text);
        }
    }

    // local and virtual refuse to start with a limit that a message may exceed; of an agent that gets no mail that is only worth a note.
    private void Limits()
    {
        foreach (var entry in load.Entries.Where(e => e.Command is "local" or "virtual"))
        {
            IConfig config;
            try
            {
                config = load.Config.With(entry.Overrides);
            }
            catch (ConfigException)
            {
                // The loader has said it.
                continue;
            }
            var message = config.Get(CommonParameters.MessageSizeLimit);
            var parameter = entry.Command == "local" ? LocalParameters.MailboxSizeLimit : VirtualParameters.MailboxLimit;
            var mailbox = config.Get(parameter);
            if (mailbox <= 0 || (message > 0 && mailbox >= message))
            {
                continue;
            }
            var used = IsUsed(entry.Name);
            findings.Add(
                used ? FindingLevel.Error : FindingLevel.Note,
                new[] { parameter.Name, CommonParameters.MessageSizeLimit.Name }.Select(name => places.Of(entry, name)).OrderBy(place => place.Line == 0).First(),
                $"{parameter.Name} = {mailbox} is smaller than message_size_limit = {message}{(message == 0 ? " (no limit)" : "")}: {entry.Command}(8) does not deliver with it"
                + (used ? "" : $"; no parameter gives mail to {entry.Name}/unix"));
        }
    }

    // Probes alone write no mailbox.
    private bool IsUsed(string service) => TransportCheck.Transports.Where(name => !name.StartsWith("address_verify_", StringComparison.Ordinal)).Any(name => Value(name).Split(':')[0] == service && name switch
    {
        "local_transport" => Value("mydestination").Length > 0,
        "virtual_transport" => Value("virtual_mailbox_domains").Length > 0,
        _ => true,
    });

    private string Value(string name) => load.Config.Find(name) ?? "";
}
