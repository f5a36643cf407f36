namespace Facteur.Config.Parameters;

/// <summary>Parameters of several instances on one host: postfix(1), postmulti(1).</summary>
public static class MultiInstanceParameters
{
    /// <summary>multi_instance_enable.</summary>
    public static readonly BoolParameter Enable = new("multi_instance_enable", "no", "Whether postmulti starts and stops this instance.");

    /// <summary>multi_instance_group.</summary>
    public static readonly StringParameter Group = new("multi_instance_group", "", "The group that this instance belongs to.");

    /// <summary>multi_instance_name.</summary>
    public static readonly StringParameter Name = new("multi_instance_name", "", "The name of this instance.");

    /// <summary>multi_instance_wrapper.</summary>
    public static readonly StringParameter Wrapper = new("multi_instance_wrapper", "", "The program that postfix runs where there are several instances.");

    /// <summary>postmulti_control_commands.</summary>
    public static readonly StringParameter ControlCommands = new("postmulti_control_commands", "reload flush", "Commands of postfix that postmulti runs for running instances.");

    /// <summary>postmulti_start_commands.</summary>
    public static readonly StringParameter StartCommands = new("postmulti_start_commands", "start", "Commands of postfix that start an instance.");

    /// <summary>postmulti_stop_commands.</summary>
    public static readonly StringParameter StopCommands = new("postmulti_stop_commands", "stop abort drain quick-stop", "Commands of postfix that stop an instance.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [Enable, Group, Name, Wrapper, ControlCommands, StartCommands, StopCommands];
}
