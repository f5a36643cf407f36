using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>postmulti(1): one command for all instances, those of multi_instance_directories after the one of the default directory.</summary>
public static class Postmulti
{
    private static readonly char[] Separators = [' ', '\t', ',', '\r', '\n'];

    /// <summary>Runs it.</summary>
    /// <param name="context">The process.</param>
    /// <param name="run">Runs postfix(1) for a configuration directory: its exit status.</param>
    /// <param name="primary">config_directory of the first instance.</param>
    public static int Run(CommandContext context, Func<string, IReadOnlyList<string>, int> run, string primary = "/etc/postfix")
    {
        var (mode, group, name, reverse, actions) = ('\0', "", "", false, 0);
        var edit = new PostmultiEdit.Order("", "", "", false, null, null, []);
        var options = new GetOpt(context.Arguments, "ae:g:i:lpRvxG:I:");
        while (options.Next())
        {
            switch (options.Option)
            {
                case 'l' or 'p' or 'x':
                    (mode, actions) = (options.Option, actions + 1);
                    break;
                case 'e':
                    (mode, actions, edit) = ('e', actions + 1, edit with { Action = options.Argument });
                    if (PostmultiEdit.WrongAction(options.Argument) is { } wrongAction)
                    {
                        return context.Fatal(wrongAction);
                    }
                    break;
                case 'G':
                    edit = edit with { NewGroup = options.Argument };
                    break;
                case 'I':
                    edit = edit with { NewName = options.Argument };
                    break;
                case 'g':
                    group = options.Argument;
                    break;
                case 'i':
                    name = options.Argument;
                    break;
                case 'R':
                    reverse = true;
                    break;
                case 'a':
                    edit = edit with { First = true };
                    break;
                case 'v':
                    break;
                default:
                    context.Error.WriteLine($"postmulti: {options.Error ?? $"invalid option -- '{options.Option}'"}");
                    return Usage(context);
            }
        }
        var words = options.Operands;
        edit = edit with { Group = group, Name = name, Settings = words };
        if (actions > 1)
        {
            return context.Fatal("Specify exactly one of '-e', '-l', '-p', '-x'");
        }
        if (edit.Wrong() is { } wrongOrder)
        {
            return context.Fatal(wrongOrder);
        }
        if (mode == 'e')
        {
            return Instances(context, primary, out var why) is not { } known ? context.Fatal(why)
                : new PostmultiEdit(context, known, run).Run(edit) is { } failed ? context.Fatal(failed) : 0;
        }
        if (actions != 1 || (mode == 'l') != (words.Count == 0) || (mode == 'p' && reverse))
        {
            return Usage(context);
        }
        if (Instances(context, primary, out var wrong) is not { } all)
        {
            return context.Fatal(wrong);
        }
        var selected = all.Where(i => (group.Length == 0 || i.Group == group) && (name.Length == 0 || Is(i, name, all[0]))).ToList();
        return mode switch
        {
            'l' => List(context, reverse ? [.. selected.AsEnumerable().Reverse()] : selected),
            _ when selected.Count == 0 => context.Fatal("No matching instances"),
            'x' => All((reverse ? selected.AsEnumerable().Reverse() : selected).Select(i => Command(context, i, words))),
            _ => Postfix(all[0].Config, selected, words, run),
        };
    }

    /// <summary>The instances, the primary one first; null when a main.cf can't be read.</summary>
    private static List<MailInstance>? Instances(CommandContext context, string primary, out string wrong)
    {
        wrong = "";
        if (context.Environment.TryGetValue("MAIL_CONFIG", out var other) && Path.GetFullPath(other) != primary)
        {
            wrong = $"Non-default configuration directory: MAIL_CONFIG={other}";
            return null;
        }
        var all = new List<MailInstance>();
        var directories = new Queue<string>([primary]);
        while (directories.TryDequeue(out var directory))
        {
            var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = context.Name, WithMaster = false });
            if (load.Errors.Count > 0)
            {
                wrong = $"Cannot parse {directory}/main.cf file: {load.Errors[0]}";
                return null;
            }
            all.Add(new MailInstance(directory, load.Config));
            foreach (var further in all.Count == 1 ? load.Config.Get(ShowqParameters.MultiInstanceDirectories).Split(Separators, StringSplitOptions.RemoveEmptyEntries) : [])
            {
                // Listed twice it is one instance, which is not to be started twice.
                if (!directories.Contains(Path.GetFullPath(further)) && Path.GetFullPath(further) != primary)
                {
                    directories.Enqueue(Path.GetFullPath(further));
                }
            }
        }
        if (all.Count == 1)
        {
            all[0] = all[0] with { Enabled = true };
        }
        return all;
    }

    private static bool Is(MailInstance instance, string name, MailInstance primary) => name == "-" ? instance == primary : instance.IsCalled(name);

    private static int List(CommandContext context, IReadOnlyList<MailInstance> instances)
    {
        foreach (var instance in instances)
        {
            context.Output.WriteLine($"{(instance.Name.Length > 0 ? instance.Name : "-"),-15} {(instance.Group.Length > 0 ? instance.Group : "-"),-15} {(instance.Enabled ? "y" : "n"),-9} {instance.Directory}");
        }
        return 0;
    }

    /// <summary>postmulti(1), "Postfix-wrapper mode": who is not enabled is only checked at a start, and left alone otherwise.</summary>
    private static int Postfix(IConfig primary, List<MailInstance> instances, IReadOnlyList<string> words, Func<string, IReadOnlyList<string>, int> run)
    {
        bool Among(StringParameter parameter) => primary.Get(parameter).Split(Separators, StringSplitOptions.RemoveEmptyEntries).Contains(words[0]);
        var (start, stop) = (Among(MultiInstanceParameters.StartCommands), Among(MultiInstanceParameters.StopCommands));
        var skip = stop || Among(MultiInstanceParameters.ControlCommands);
        return All((stop ? instances.AsEnumerable().Reverse() : instances).Where(i => i.Enabled || !skip)
            .Select(i => run(i.Directory, i.Enabled || !start ? words : ["check"])));
    }

    private static int Command(CommandContext context, MailInstance instance, IReadOnlyList<string> words) => ForeignCommand.Run(
        context, words, $"execvp {words[0]}",
        [
            ("MAIL_CONFIG", instance.Directory), ("config_directory", instance.Directory),
            .. ((string[])["command_directory", "daemon_directory", "queue_directory", "data_directory", "multi_instance_name", "multi_instance_group", "multi_instance_enable"])
                .Select(name => (name, instance.Config.Find(name) ?? "")),
        ]);

    /// <summary>All are done, whatever became of those before. Postfix: whichever way one has failed, the status is 1.</summary>
    private static int All(IEnumerable<int> statuses) => statuses.Aggregate(0, (failed, status) => status != 0 ? 1 : failed);

    private static int Usage(CommandContext context) => context.Fatal(
        "Usage: postmulti -l [-v] [-a] [-g group] [-i instance] | postmulti -p [-v] [-a] [-g group] [-i instance] command... | postmulti -x [-v] [-a] [-i name] [-g group] command... | "
        + "postmulti -e action [-v] [-a] [-i name] [-g group] [-I name] [-G group] [param=value ...]");
}

/// <summary>One instance.</summary>
/// <param name="Directory">config_directory.</param>
/// <param name="Config">Its main.cf.</param>
internal sealed record MailInstance(string Directory, IConfig Config)
{
    public string Name => Config.Get(MultiInstanceParameters.Name);

    public string Group => Config.Get(MultiInstanceParameters.Group);

    /// <summary>Without further instances there is nothing to enable.</summary>
    public bool Enabled { get; init; } = Config.Get(MultiInstanceParameters.Enable);

    /// <summary>Whether a name, or the name of a directory, means it.</summary>
    public bool IsCalled(string name) => name == Name || (name.StartsWith('/') && name == Directory);
}
