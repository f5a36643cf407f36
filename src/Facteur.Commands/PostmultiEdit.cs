using Facteur.Config;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// postmulti -e: makes instances and takes them away. An instance belongs to the others from the moment that the primary one's main.cf names it, which
/// happens when all else is there; it is taken out of there before anything of it is removed. Nothing is removed that is not known to be its own.
/// </summary>
internal sealed class PostmultiEdit(CommandContext context, IReadOnlyList<MailInstance> instances, Func<string, IReadOnlyList<string>, int> run)
{
    private const uint OnlyOwner = 0x1C0; // 0700
    private const string NamePrefix = "postfix-";
    private const string Ours = "config_directory queue_directory data_directory";

    // Where the files are that instances share: taken from the primary one where that says so.
    private const string Shared = "command_directory daemon_directory meta_directory mail_owner setgid_group sendmail_path mailq_path newaliases_path "
        + "html_directory manpage_directory sample_directory readme_directory shlib_directory";

    private static readonly string[] Actions = ["create", "destroy", "import", "deport", "enable", "disable", "assign", "init"];
    private static readonly string[] Sockets = ["control", "flush", "pickup", "postlog", "qmgr", "showq"];
    private static readonly string[] PostfixQueues = ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved", "trace"];

    /// <summary>What the command line asks for.</summary>
    /// <param name="Action">The action, or "" when there is none.</param>
    /// <param name="Group">-g.</param>
    /// <param name="Name">-i.</param>
    /// <param name="First">-a.</param>
    /// <param name="NewName">-I, or null.</param>
    /// <param name="NewGroup">-G, or null.</param>
    /// <param name="Settings">name=value.</param>
    internal sealed record Order(string Action, string Group, string Name, bool First, string? NewName, string? NewGroup, IReadOnlyList<string> Settings)
    {
        internal bool Adds => Action is "create" or "import";

        /// <summary>What makes no sense in it, whatever instances there are.</summary>
        internal string? Wrong() =>
            Action.Length == 0 ? (NewName ?? NewGroup) is null ? null : "Cannot assign instance name or group without '-e assign'"
            : Settings.Count > 0 && !Adds ? $"Parameter overrides not valid with '-e {Action}'"
            : (NewName ?? NewGroup) is not null && !Adds && Action != "assign" ? $"Cannot assign instance name or group with '-e {Action}'"
            : Action == "assign" && (NewName ?? NewGroup) is null ? "Specify new instance name or group with '-e assign'"
            : WrongName() ?? WrongGroup() ?? Settings.Select(WrongSetting).FirstOrDefault(s => s is not null);

        internal string? Setting(string name) => Settings.LastOrDefault(s => s.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

        private string? WrongName() => NewName is null or "-" ? null
            : NewName.Contains('/') ? $"Illegal '/' character in new instance name: '{NewName}'"
            : !IsPlain(NewName) ? $"Unsafe characters in new instance name: '{NewName}'"
            : !NewName.StartsWith(NamePrefix, StringComparison.Ordinal) ? $"New instance name must start with '{NamePrefix}'" : null;

        private string? WrongGroup() => NewGroup is null or "-" || IsPlain(NewGroup) ? null : $"Unsafe characters in '-G {NewGroup}'";

        private string? WrongSetting(string setting)
        {
            var end = setting.IndexOf('=', StringComparison.Ordinal);
            return end <= 0 ? $"Malformed parameter setting '{setting}'"
                : !(Action == "create" ? Ours : "config_directory").Split(' ').Contains(setting[..end]) ? $"Parameter '{setting[..end]}' not valid with action {Action}"
                : setting[(end + 1)..] is not ['/', .. var path] ? $"Parameter setting '{setting[..end]}' is not an absolute path"
                : path.Trim('/').Length == 0 ? $"Parameter setting '{setting[..end]}' is the root directory"
                // In main.cf a list of directories is divided by these.
                : path.Any(c => c <= ' ' || c == ',') ? $"Unsafe characters in '{setting}'" : null;
        }

        private static bool IsPlain(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '@' or '%' or '+');
    }

    /// <summary>What is wrong with an action's name.</summary>
    internal static string? WrongAction(string action) => Actions.Contains(action) ? null
        : $"Invalid '-e' edit action '{action}'. Specify {string.Join(", ", Actions[..^1].Select(a => $"'{a}'"))} or '{Actions[^1]}'";

    private MailInstance Primary => instances[0];

    /// <summary>Does it; what failed, or null.</summary>
    internal string? Run(Order order) => order.Action switch
    {
        "init" => Edit(Primary.Directory, "-e", "multi_instance_wrapper = ${command_directory}/postmulti -p --", "multi_instance_enable = yes"),
        "create" or "import" => Add(order),
        _ when order.Name.Length == 0 => "Select an instance via '-i name'",
        _ => (order.Name == "-" ? Primary : instances.FirstOrDefault(i => i.IsCalled(order.Name))) is { } instance ? Change(order, instance) : $"No instance named {order.Name}",
    };

    private string? Change(Order order, MailInstance instance) => order.Action switch
    {
        "destroy" or "deport" when instance == Primary => "Cannot remove the primary instance",
        "destroy" or "deport" when instance.Enabled => "Cannot remove enabled instances",
        "destroy" or "deport" when MasterLock.Holder(QueueOf(instance)) != 0 => $"Instance '{instance.Directory}' is not stopped",
        "assign" when Conflict(order, instance) is { } conflict => conflict,
        _ => NotReady() ?? order.Action switch
        {
            "destroy" => List(instance.Directory, null) ?? Remove(instance),
            "deport" => List(instance.Directory, null, separate: true),
            "enable" => Edit(instance.Directory, "-e", "multi_instance_enable = yes"),
            "disable" => Edit(instance.Directory, "-e", "multi_instance_enable = no"),
            _ => Assign(order, instance.Directory),
        },
    };

    private static string QueueOf(MailInstance instance) => instance.Config.Get(CommonParameters.QueueDirectory);

    private string? NotReady() =>
        Primary.Config.Get(MultiInstanceParameters.Wrapper).Length == 0 ? "multi_instance_wrapper is empty, run 'postmulti -e init' first."
        : !Primary.Config.Get(MultiInstanceParameters.Enable) ? "multi_instance_enable!=yes, run 'postmulti -e init' first." : null;

    private string? Add(Order order)
    {
        var config = Place(order, "config_directory", Primary.Directory);
        if (config is null)
        {
            return "Missing config_directory parameter value";
        }
        if (instances.FirstOrDefault(i => i.Directory == config) is { } user)
        {
            return $"new config_directory={config} is already in use by instance {user.Directory}, config_directory={user.Directory}";
        }
        var (hasMain, hasMaster) = (File.Exists($"{config}/main.cf"), File.Exists($"{config}/master.cf"));
        var isThere = hasMain && hasMaster;
        // Where there is one of them Postfix's create writes over it.
        if (!isThere && (order.Action == "import" || hasMain || hasMaster))
        {
            return $"open {config}/{(hasMain ? "master.cf" : "main.cf")}: No such file or directory";
        }
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        if (isThere)
        {
            var load = ConfigLoader.Load(config, new LoadOptions { WithMaster = false });
            if (load.Errors.Count > 0)
            {
                return $"Cannot parse {config}/main.cf file: {load.Errors[0]}";
            }
            (places["queue_directory"], places["data_directory"]) = (load.Config.Get(CommonParameters.QueueDirectory), load.Config.Get(CommonParameters.DataDirectory));
        }
        else
        {
            foreach (var name in (string[])["queue_directory", "data_directory"])
            {
                if (Place(order, name, Primary.Config.Find(name)!) is not { } place)
                {
                    return $"Missing {name} parameter value";
                }
                places[name] = place;
            }
        }
        foreach (var (name, place) in places)
        {
            if (instances.FirstOrDefault(i => SameDirectory(i.Config.Find(name)!, place)) is { } other)
            {
                return $"instance {config}, {name}={place} conflicts with instance {other.Directory}, {name}={place}";
            }
        }
        // Behind all others, or before the first that is meant.
        var at = order.First && instances.Count > 1 ? instances[1]
            : instances.Skip(1).FirstOrDefault(i => order.Name.Length > 0 ? i.IsCalled(order.Name) : order.Group.Length > 0 && i.Group == order.Group);
        if (at is null && (order.Name.Length > 0 || order.Group.Length > 0))
        {
            return "No matching secondary instances";
        }
        return Conflict(order, null, config) ?? NotReady() ?? (isThere ? null : Make(config, places)) ?? Assign(order, config) ?? List(config, at)
            ?? (run(config, ["set-permissions"]) == 0 ? null : $"the permissions of '{config}' are not set: see above");
    }

    private static bool SameDirectory(string one, string other) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(one)) == Path.TrimEndingDirectorySeparator(Path.GetFullPath(other));

    // What is not said: the primary one's, with the new name as the last part.
    private static string? Place(Order order, string name, string primary) => order.Setting(name) is { } given ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(given))
        : order.NewName is null or "-" ? null : Path.Combine(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(primary)) ?? "/", order.NewName);

    private string? Conflict(Order order, MailInstance? instance, string directory = "") =>
        order.NewName is null or "-" || instances.FirstOrDefault(i => i != instance && i.Name == order.NewName) is not { } other ? null
        : $"instance {instance?.Directory ?? directory}, multi_instance_name={order.NewName} conflicts with instance {other.Directory}, multi_instance_name={order.NewName}";

    /// <summary>Stock files, and of the primary instance's what says where shared files are. master.cf comes last: then the instance is whole.</summary>
    private string? Make(string config, Dictionary<string, string> places)
    {
        var temporary = $"{config}/.tmp";
        try
        {
            Directory.CreateDirectory(config);
            Directory.CreateDirectory(places["queue_directory"]);
            foreach (var directory in (string[])[places["data_directory"], temporary])
            {
                if (UnixPath.MakeDirectories(directory, OnlyOwner, out _) is not 0 and var errno)
                {
                    return $"{directory} can't be made: {Errno.Text(errno)}";
                }
            }
            File.WriteAllText($"{temporary}/main.cf", Stock("main.cf"));
            File.WriteAllText($"{temporary}/master.cf", Stock("master.cf"));
            var said = MainCfFile.Parse($"{Primary.Directory}/main.cf", File.ReadAllText($"{Primary.Directory}/main.cf")).Entries;
            var (taken, others) = (Shared.Split(' ').Where(said.ContainsKey).ToList(), Shared.Split(' ').Where(name => !said.ContainsKey(name)));
            // Nobody submits, nothing listens, until its administrator wants it.
            if ((Edit(temporary, ["-#", .. others]) ?? Edit(temporary,
                ["-e", .. places.Select(p => $"{p.Key} = {p.Value}"), "authorized_submit_users =", "master_service_disable = inet", .. taken.Select(name => $"{name} = {said[name].Value}")])) is { } failed)
            {
                return failed;
            }
            File.Move($"{temporary}/main.cf", $"{config}/main.cf", overwrite: true);
            File.Move($"{temporary}/master.cf", $"{config}/master.cf", overwrite: true);
            return UnixPath.RemoveDirectory(temporary) is 0 ? null : $"{temporary} can't be removed";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    private string Stock(string name)
    {
        var prototype = $"{Primary.Config.Find("meta_directory")}/{name}.proto";
        if (File.Exists(prototype))
        {
            return File.ReadAllText(prototype);
        }
        using var reader = new StreamReader(typeof(PostmultiEdit).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    private string? Assign(Order order, string directory)
    {
        string[] settings =
        [
            .. order.NewName is { } name ? [$"multi_instance_name = {(name == "-" ? "" : name)}"] : Array.Empty<string>(),
            .. order.NewGroup is { } group ? [$"multi_instance_group = {(group == "-" ? "" : group)}"] : Array.Empty<string>(),
        ];
        return settings.Length == 0 ? null : Edit(directory, ["-e", .. settings]);
    }

    /// <summary>Puts a directory into the list of instances, in front of another, or takes it out.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="before">What it comes before, null for the end.</param>
    /// <param name="separate">It goes on as an instance of its own, which users may name.</param>
    private string? List(string directory, MailInstance? before, bool separate = false)
    {
        var others = instances.Skip(1).Select(i => i.Directory).ToList();
        if (!others.Remove(directory))
        {
            others.Insert(before is null ? others.Count : others.IndexOf(before.Directory), directory);
        }
        var named = Primary.Config.Get(ShowqParameters.AlternateConfigDirectories).Split([' ', '\t', ',', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries);
        string[] alternates = [.. named.Where(d => d != directory), .. separate ? [directory] : Array.Empty<string>()];
        return Edit(Primary.Directory,
            ["-e", $"multi_instance_directories = {string.Join(' ', others)}", .. alternates.SequenceEqual(named) ? Array.Empty<string>() : [$"alternate_config_directories = {string.Join(' ', alternates)}"]]);
    }

    /// <summary>Removes what is known to be the instance's and holds nothing; what is left is named.</summary>
    private string? Remove(MailInstance instance)
    {
        var queue = QueueOf(instance);
        RemoveJournal($"{queue}/journal");
        foreach (var name in PostfixQueues)
        {
            RemoveEmpty($"{queue}/{name}", name switch { "pid" => ["master.pid"], "public" => Sockets, _ => [] });
        }
        _ = UnixPath.Unlink($"{queue}/submit");
        RemoveEmpty(instance.Config.Get(CommonParameters.DataDirectory), ["master.lock"]);
        RemoveEmpty(queue, []);
        _ = UnixPath.Unlink($"{instance.Directory}/master.cf");
        _ = UnixPath.Unlink($"{instance.Directory}/main.cf");
        RemoveEmpty(instance.Directory, []);
        return null;
    }

    /// <summary>The spool, when there is no message in it and all of it can be read.</summary>
    private void RemoveJournal(string journal)
    {
        if (!Directory.Exists(journal))
        {
            return;
        }
        var report = SpoolVerify.Run(journal, new UnixDisk());
        if (report is { Messages: 0, Findings.Count: 0 })
        {
            RemoveEmpty($"{journal}/corrupt", []);
            RemoveEmpty($"{journal}/large", null);
            RemoveEmpty($"{journal}/journal", null);
            _ = UnixPath.Unlink($"{journal}/reserve");
        }
        RemoveEmpty(journal, []);
    }

    /// <summary>Removes a directory with these files, or, with null, with all files of it, which is not for directories of anybody's.</summary>
    private void RemoveEmpty(string directory, IReadOnlyList<string>? files)
    {
        if (!Directory.Exists(directory))
        {
            return;
        }
        foreach (var file in files?.Select(name => $"{directory}/{name}") ?? Directory.EnumerateFileSystemEntries(directory).Where(name => !Directory.Exists(name)).ToList())
        {
            _ = UnixPath.Unlink(file);
        }
        if (UnixPath.RemoveDirectory(directory) is not 0 and var errno)
        {
            context.Warn($"{directory}: {Errno.Text(errno)}: please verify contents and remove by hand");
        }
    }

    /// <summary>postconf(1) for a directory.</summary>
    private string? Edit(string directory, params string[] arguments) =>
        Postconf.Run(context with { Name = "postconf", Arguments = ["-c", directory, .. arguments] }) == 0 ? null : $"{directory}/main.cf is not changed";
}
